/* settings.h - what settings of options.def choose among, for those who only look at them. */
#ifndef TUI_SETTINGS_H
#define TUI_SETTINGS_H

enum reasoning_mode { /* of answers, as long as the user says nothing else of one */
    REASONING_FOLD,   /* a line, and its end while it comes */
    REASONING_SHOW,
    REASONING_HIDE
};

#endif
