/* prices.h - list prices of well-known models (prices.def). */
#ifndef ROUTER_PRICES_H
#define ROUTER_PRICES_H

#define PRICES_DATE "2026-07-24"

struct endpoint_conf;

/* Fills in price and context where the endpoint is the provider's own and the configuration
 * gave none. A model name may carry a date behind it: gpt-4.1-2025-04-14. */
void prices_fill(struct endpoint_conf *endpoint);

#endif
