/* attachment.h - text files that go along with a message, each under its name. */
#ifndef TUI_ATTACHMENT_H
#define TUI_ATTACHMENT_H

#include "engine/base.h"

#define ATTACH_FILE_MAX_BYTES (4u << 20)  /* of a file that `@path` names */
#define ATTACH_ALL_MAX_BYTES  (16u << 20) /* of all of them in one message */

/* Appends the file between fences with `name` above them, behind a blank line where `out` holds
 * something. Reads at most max_bytes; a file with NUL bytes is no text. */
enum status attachment_add(struct buf *out, const char *name, const char *path,
        size_t max_bytes, struct err *err) MUST_USE;

struct attachments {
    struct buf text; /* what is sent behind the message */
    int n_files;
    char names[256]; /* as many as have room */
};
/* All files that the `@path` words of a text name, each once. A word without a file gives
 * ERR_NOT_FOUND, or is left alone. Released by the caller, only after OK. */
enum status attachments_read(struct attachments *out, struct slice text, bool ignores_missing,
        struct err *err) MUST_USE;
/* Another number when other files would be read, 0 when there are none: a word that names none
 * is not looked at. */
uint64_t attachments_stamp(struct slice text);
/* What they add to the message: that and no other number is shown. */
size_t attachments_bytes(const struct attachments *a);
void attachments_release(struct attachments *a);

#endif
