/* prices.h - what an answer costs: list prices of well-known models (prices.def), and sums. */
#ifndef ROUTER_PRICES_H
#define ROUTER_PRICES_H

#include <stdint.h>

#define PRICES_DATE "2026-07-24"

struct endpoint_conf;
struct usage;

/* Fills in price and context where the endpoint is the provider's own and the configuration
 * gave none. A model name may carry a date behind it: gpt-4.1-2025-04-14. */
void prices_fill(struct endpoint_conf *endpoint);
/* "$12.34", "$0.0123", "$0.000012": digits by size. */
const char *prices_usd_text(int64_t nusd, char out[32]);
/* Price of an answer in nano-dollars (one token at 1 USD per Mtok is 1000 nUSD); -1: price
 * unknown. */
int64_t prices_cost_nusd(const struct endpoint_conf *conf, const struct usage *usage);
/* The same at the list price that makes it dearest. */
int64_t prices_dearest_nusd(const struct usage *usage);

#endif
