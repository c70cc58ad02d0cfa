/* helper_screen.c - see helper_screen.h. */
#include "tests/helper_screen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void screen_expect(const struct screen *screen, const char *name)
{
    char path[512];
    struct buf got, want;
    struct err err;
    buf_init(&got, 1 << 20);
    screen_print(screen, &got);
    snprintf(path, sizeof path, SOURCE_DIR "/tests/golden/screens/%s.txt", name);
    if (getenv("SHUNT_UPDATE_GOLDEN"))
        assert_int_equal(file_write(path, got.ptr, got.n, 0644, &err), OK);
    if (file_read(&want, path, 1 << 20, &err) != OK)
        fail_msg("%s", err.text);
    if (strcmp(buf_text(&got), buf_text(&want)) != 0)
        fail_msg("screen %s differs; it is now:\n%s", name, buf_text(&got));
    buf_release(&got);
    buf_release(&want);
}
