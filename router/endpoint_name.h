/* endpoint_name.h - how long a name of an endpoint can be, wherever it is kept. */
#ifndef ROUTER_ENDPOINT_NAME_H
#define ROUTER_ENDPOINT_NAME_H

#define ENDPOINT_NAME_BYTES 256 /* as of a file: those of the models folder are named by it */

#endif
