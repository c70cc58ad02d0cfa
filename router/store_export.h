/*
 * store_export.h - STORE_EXPORT: a file written from what the command carries. It needs no
 * database, and is what is left when there is none.
 */
#ifndef ROUTER_STORE_EXPORT_H
#define ROUTER_STORE_EXPORT_H

struct store_command;

/* The command's key becomes the whole path, or its err says why not; an unfinished file does
 * not stay. */
void store_export(struct store_command *command);

#endif
