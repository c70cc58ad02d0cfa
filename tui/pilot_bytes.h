/* pilot_bytes.h - the file of the pilot, as a part of the program (pilot_bytes.S). */
#ifndef TUI_PILOT_BYTES_H
#define TUI_PILOT_BYTES_H

extern const char pilot_begin[], pilot_end[];

#endif
