/* eval_quant.h - what `shunt eval quant` runs. */
#ifndef ENGINE_EVAL_QUANT_H
#define ENGINE_EVAL_QUANT_H

#include <stdio.h>

#include "engine/base.h"

/* Decodes blocks of the named type from in to float32 on out, both raw. ERR_USAGE names the
 * types that there are; ERR_FORMAT when the input ends inside a block. */
enum status eval_quant(const char *type, FILE *in, FILE *out, struct err *err) MUST_USE;

#endif
