/* endpoint_limits.h - how many endpoints are weighed, and how long a name of one can be. */
#ifndef ROUTER_ENDPOINT_LIMITS_H
#define ROUTER_ENDPOINT_LIMITS_H

#define ENDPOINTS_MAX       64  /* a request remembers in 64 bits who failed */
#define ENDPOINT_NAME_BYTES 256 /* as of a file: those of the models folder are named by it */

#endif
