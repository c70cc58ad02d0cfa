/*
 * vtin.c - see vtin.h. A state machine over raw bytes: UTF-8, ESC, CSI, SS3, strings (OSC, DCS,
 * …, swallowed) and bracketed paste. Sequences follow ECMA-48; key encodings are xterm's, its
 * modifyOtherKeys, and kitty's CSI u.
 */
#include "tui/vtin.h"

#include <string.h>

#define ESC_WAIT_NS     50000000ull   /* a lone ESC is a key after this */
#define PASTE_WAIT_NS   2000000000ull /* a paste that never closes */
#define REPLY_WAIT_NS   3000000000ull /* an answer of which the beginning has come */
#define SEQUENCE_MAX    64
#define OLD_MOUSE_BYTES 3           /* behind CSI M: button, column, row */
#define PASTE_MAX       (64u << 20) /* what is above it is dropped */

enum vtin_state { IN_TEXT, IN_ESC, IN_CSI, IN_SS3, IN_OLD_MOUSE, IN_STRING, IN_PASTE };

struct vtin {
    enum vtin_state state;
    bool has_meta; /* ESC came right before */
    char seq[SEQUENCE_MAX];
    size_t n_seq;
    char utf8[4];
    size_t n_utf8;
    struct buf input; /* not yet looked at */
    size_t at;
    struct buf paste, done_paste;
    uint64_t t_last_ns;
    bool string_esc;
    bool is_stalled; /* a string whose bytes stopped coming: only what fits an answer goes on */
    bool was_esc;    /* the last key was an ESC that nothing followed in time */
    uint64_t expects_until_ns; /* an answer for the background */
};

static const char background_mark[] = "]11;"; /* OSC 11 as it stands in seq */

struct vtin *vtin_open(void)
{
    struct vtin *in = mem_alloc(sizeof *in);
    buf_init(&in->input, PASTE_MAX);
    buf_init(&in->paste, PASTE_MAX);
    buf_init(&in->done_paste, PASTE_MAX);
    return in;
}

void vtin_close(struct vtin *in)
{
    if (!in)
        return;
    buf_release(&in->input);
    buf_release(&in->paste);
    buf_release(&in->done_paste);
    mem_free(in);
}

void vtin_feed(struct vtin *in, const char *bytes, size_t n, uint64_t now_ns)
{
    if (in->at == in->input.n) {
        buf_clear(&in->input);
        in->at = 0;
    }
    buf_add(&in->input, bytes, n);
    in->t_last_ns = now_ns;
}

static struct key plain(uint32_t code, int mods)
{
    return (struct key){.code = code, .mods = (uint8_t)mods};
}

/* C0 controls as Ctrl and a letter, and the few that are keys of their own. */
static struct key control(unsigned char c, int mods)
{
    switch (c) {
    case '\r':
        return plain(KEY_ENTER, mods);
    case '\t':
        return plain(KEY_TAB, mods);
    case 0x7F:
    case '\b':
        return plain(KEY_BACKSPACE, mods);
    case 0:
        return plain(' ', mods | MOD_CTRL);
    default:
        return plain(c < 27 ? 'a' + c - 1u : c + 64u, mods | MOD_CTRL);
    }
}

static const struct {
    char final;
    enum key_code code;
} by_final[] = {{'A', KEY_UP}, {'B', KEY_DOWN}, {'C', KEY_RIGHT}, {'D', KEY_LEFT},
        {'H', KEY_HOME}, {'F', KEY_END}, {'P', KEY_F1}, {'Q', KEY_F2}, {'R', KEY_F3},
        {'S', KEY_F4}, {'Z', KEY_TAB}, {'I', KEY_FOCUS_IN}, {'O', KEY_FOCUS_OUT}};

static const struct {
    int number;
    enum key_code code;
} by_number[] = {{1, KEY_HOME}, {2, KEY_INSERT}, {3, KEY_DELETE}, {4, KEY_END},
        {5, KEY_PAGE_UP}, {6, KEY_PAGE_DOWN}, {7, KEY_HOME}, {8, KEY_END}, {11, KEY_F1},
        {12, KEY_F2}, {13, KEY_F3}, {14, KEY_F4}, {15, KEY_F5}, {17, KEY_F6}, {18, KEY_F7},
        {19, KEY_F8}, {20, KEY_F9}, {21, KEY_F10}, {23, KEY_F11}, {24, KEY_F12}};

/* xterm's modifier parameter: 1 + bits. */
static int mods_of(int parameter)
{
    int bits = parameter > 1 ? parameter - 1 : 0;
    return (bits & 1 ? MOD_SHIFT : 0) | (bits & 2 ? MOD_ALT : 0) | (bits & 4 ? MOD_CTRL : 0);
}

/* A code point with modifiers (CSI u, modifyOtherKeys): the names the rest of the program uses.
 */
static struct key from_code_point(int cp, int mods)
{
    if (cp == 27)
        return plain(KEY_ESC, mods);
    if (cp == 13 || cp == 9 || cp == 127 || cp == 8)
        return control((unsigned char)cp, mods);
    if (cp >= 'A' && cp <= 'Z' && mods & MOD_CTRL)
        cp += 32;
    return cp > 0 && cp < KEY_SPECIAL ? plain((uint32_t)cp, mods) : plain(KEY_NONE, 0);
}

static int read_parameters(const struct vtin *in, int *out, int most)
{
    int n = 0;
    out[0] = 0;
    for (size_t i = 0; i < in->n_seq && n < most; i++) {
        char c = in->seq[i];
        if (c >= '0' && c <= '9' && out[n] < 1000000)
            out[n] = out[n] * 10 + c - '0';
        else if (c == ';' && n + 1 < most)
            out[++n] = 0;
        else if (c == ':') /* sub-parameters are of no interest */
            while (i + 1 < in->n_seq && in->seq[i + 1] != ';')
                i++;
    }
    return n + 1;
}

/* SGR reports (mode 1006): button; column; row, `M` pressed, `m` released. */
static struct key mouse_key(struct vtin *in, char final)
{
    static const struct {
        int button;
        enum key_code code;
    } buttons[] = {{0, KEY_CLICK}, {64, KEY_WHEEL_UP}, {65, KEY_WHEEL_DOWN}};
    int p[4] = {0};
    in->seq[0] = '0';
    int n = read_parameters(in, p, 4);
    for (size_t i = 0; i < ARRAY_LEN(buttons) && final == 'M' && n == 3; i++)
        if (buttons[i].button == p[0])
            return (struct key){.code = buttons[i].code, .row = p[2] - 1, .col = p[1] - 1};
    return plain(KEY_NONE, 0);
}

static struct key csi_key(struct vtin *in, char final)
{
    int p[4] = {0}, n = read_parameters(in, p, 4), meta = in->has_meta ? MOD_ALT : 0;
    if (in->n_seq && in->seq[0] == '<')
        return mouse_key(in, final);
    if (in->n_seq && strchr("?>=", in->seq[0]))
        return plain(KEY_NONE, 0); /* replies */
    if (final == '~' && p[0] == 200) {
        in->state = IN_PASTE;
        buf_clear(&in->paste);
        return plain(KEY_NONE, 0);
    }
    if (final == '~' && p[0] == 27 && n >= 3)
        return from_code_point(p[2], mods_of(p[1]) | meta);
    if (final == 'u')
        return from_code_point(p[0], mods_of(p[1]) | meta);
    for (size_t i = 0; final == '~' && i < ARRAY_LEN(by_number); i++)
        if (by_number[i].number == p[0])
            return plain(by_number[i].code, mods_of(p[1]) | meta);
    for (size_t i = 0; i < ARRAY_LEN(by_final); i++)
        if (by_final[i].final == final)
            return plain(by_final[i].code, (final == 'Z'    ? MOD_SHIFT
                                                   : n >= 2 ? mods_of(p[1])
                                                            : 0) |
                                                   meta);
    return plain(KEY_NONE, 0);
}

static void begin_string(struct vtin *in, unsigned char c)
{
    in->state = IN_STRING;
    in->string_esc = in->is_stalled = false;
    in->seq[0] = (char)c;
    in->n_seq = 1;
}

static bool take_text(struct vtin *in, unsigned char c, struct key *out)
{
    int meta = in->has_meta ? MOD_ALT : 0;
    if (c == ']' && in->was_esc && in->t_last_ns < in->expects_until_ns) {
        begin_string(in, c); /* the answer came in two parts, cut behind its ESC */
        in->is_stalled = true;
        return false;
    }
    if (c == 0x1B && in->n_utf8 == 0) {
        in->state = IN_ESC;
        in->has_meta = false;
        return false;
    }
    if (in->n_utf8 == 0 && (c < 0x20 || c == 0x7F)) {
        *out = control(c, meta);
        return true;
    }
    in->utf8[in->n_utf8++] = (char)c;
    if (utf8_whole(in->utf8, in->n_utf8) == 0)
        return false; /* more bytes belong to it */
    uint32_t cp;
    size_t used = utf8_decode(in->utf8, in->n_utf8, &cp);
    if (used < in->n_utf8) /* broken: the byte that broke it is looked at again */
        in->at--;
    in->n_utf8 = 0;
    *out = plain(cp, meta);
    return true;
}

static bool take_esc(struct vtin *in, unsigned char c, struct key *out)
{
    in->n_seq = 0;
    switch (c) {
    case '[':
        in->state = IN_CSI;
        return false;
    case 'O':
        in->state = IN_SS3;
        return false;
    case ']':
    case 'P':
    case '_':
    case '^':
    case 'X':
        begin_string(in, c);
        return false;
    case 0x1B: /* ESC before a sequence is Alt; two alone are two */
        if (in->has_meta) {
            *out = plain(KEY_ESC, 0);
            return true;
        }
        in->has_meta = true;
        return false;
    default:
        in->state = IN_TEXT;
        in->has_meta = true;
        return take_text(in, c, out);
    }
}

static bool take_sequence(struct vtin *in, unsigned char c, struct key *out)
{
    if (c == 'M' && in->state == IN_SS3) { /* of the keypad */
        in->state = IN_TEXT;
        *out = plain(KEY_ENTER, in->has_meta ? MOD_ALT : 0);
        return true;
    }
    if (c == 'M' && in->n_seq == 0) {
        in->state = IN_OLD_MOUSE;
        return false;
    }
    if (in->state == IN_SS3 || (c >= 0x40 && c < 0x7F)) {
        in->state = IN_TEXT;
        *out = csi_key(in, (char)c);
        return out->code != KEY_NONE;
    }
    if (c == 0x1B) { /* a new one begins in the middle */
        in->state = IN_ESC;
        in->has_meta = false;
    } else if (c < 0x20) {
        in->state = IN_TEXT;
    } else if (in->n_seq < SEQUENCE_MAX) {
        in->seq[in->n_seq++] = (char)c;
    }
    return false;
}

/* A report of a terminal that does not know SGR reports means nothing here. */
static void take_old_mouse(struct vtin *in)
{
    if (++in->n_seq == OLD_MOUSE_BYTES)
        in->state = IN_TEXT;
}

/* What has come of a string may be the answer for the background; its first byte alone also is
 * Alt and a bracket. */
static bool is_background(const struct vtin *in)
{
    size_t n = sizeof background_mark - 1;
    return (in->n_seq > 1 || in->t_last_ns < in->expects_until_ns) &&
           memcmp(in->seq, background_mark, in->n_seq < n ? in->n_seq : n) == 0;
}

static bool fits_background(unsigned char c)
{
    return c == 0x07 || c == 0x1B || c == '\\' || strchr("0123456789abcdefABCDEF/:;rgb", c);
}

/* True: an answer. After a pause, what does not fit one was typed: it is looked at again. */
static bool take_string(struct vtin *in, unsigned char c, struct key *out)
{
    bool is_end = c == 0x07 || (in->string_esc && c == '\\');
    if (in->is_stalled && !fits_background(c)) {
        in->state = in->string_esc ? IN_ESC : IN_TEXT;
        in->at--;
        return false;
    }
    in->string_esc = c == 0x1B;
    if (!is_end && !in->string_esc && in->n_seq < SEQUENCE_MAX)
        in->seq[in->n_seq++] = (char)c;
    if (!is_end)
        return false;
    in->state = IN_TEXT;
    size_t n = sizeof background_mark - 1;
    if (!is_background(in) || in->n_seq < n)
        return false;
    *out = plain(KEY_BACKGROUND, 0);
    out->text = (struct slice){in->seq + n, in->n_seq - n};
    return true;
}

static void end_paste(struct vtin *in, struct key *out)
{
    buf_clear(&in->done_paste);
    const char *text = buf_text(&in->paste);
    size_t done = 0; /* what stays is added in runs */
    for (size_t i = 0; i < in->paste.n; i++) {
        char c = text[i];
        if ((unsigned char)c >= 0x20 ? c != 0x7F : c == '\n' || c == '\t')
            continue;
        bool is_crlf = c == '\r' && i + 1 < in->paste.n && text[i + 1] == '\n';
        buf_add(&in->done_paste, text + done, i - done);
        buf_add_text(&in->done_paste, c == '\r' && !is_crlf ? "\n" : ""); /* a line's end */
        done = i + 1;
    }
    buf_add(&in->done_paste, text + done, in->paste.n - done);
    buf_clear(&in->paste);
    in->state = IN_TEXT;
    *out = plain(KEY_PASTE, 0);
    out->text = buf_slice(&in->done_paste);
}

/* Everything up to ESC [ 201 ~ at once: a large paste is looked at by memmem, not byte by byte.
 */
static bool take_paste(struct vtin *in, struct key *out)
{
    static const char end[] = "\x1B[201~";
    size_t kept = in->paste.n < 5 ? in->paste.n : 5, from = in->paste.n - kept;
    buf_add(&in->paste, in->input.ptr + in->at, in->input.n - in->at);
    const char *at =
            memmem(buf_text(&in->paste) + from, in->paste.n - from, end, sizeof end - 1);
    if (!at) {
        in->at = in->input.n;
        return false;
    }
    size_t n = (size_t)(at - in->paste.ptr), behind = in->paste.n - n - (sizeof end - 1);
    in->at = in->input.n - behind;
    in->paste.n = n;
    end_paste(in, out);
    return true;
}

/* What began a sequence of which nothing more came: it was pressed together with Alt. */
static uint32_t opener(const struct vtin *in)
{
    if (in->state == IN_CSI && in->n_seq == 0)
        return '[';
    if (in->state == IN_SS3)
        return 'O';
    if (in->state == IN_STRING && in->n_seq == 1 && !in->is_stalled)
        return (unsigned char)in->seq[0];
    return KEY_NONE;
}

/* Time has run out for a lone ESC or an open paste. */
static bool time_out(struct vtin *in, struct key *out)
{
    if (in->state == IN_PASTE) {
        end_paste(in, out);
        return true;
    }
    if (in->state == IN_ESC) {
        in->state = IN_TEXT;
        *out = plain(KEY_ESC, in->has_meta ? MOD_ALT : 0);
        in->has_meta = false;
        in->was_esc = true;
        return true;
    }
    if (in->state == IN_STRING && is_background(in) && !in->is_stalled) {
        in->is_stalled = true;
        return false;
    }
    *out = plain(opener(in), MOD_ALT);
    in->state = IN_TEXT;
    return out->code != KEY_NONE;
}

bool vtin_next(struct vtin *in, struct key *out, uint64_t now_ns)
{
    while (in->at < in->input.n) {
        if (in->state == IN_PASTE) {
            if (take_paste(in, out))
                return true;
            continue;
        }
        unsigned char c = (unsigned char)in->input.ptr[in->at++];
        bool is_done = false;
        switch (in->state) {
        case IN_TEXT:
            is_done = take_text(in, c, out);
            break;
        case IN_ESC:
            is_done = take_esc(in, c, out);
            break;
        case IN_CSI:
        case IN_SS3:
            is_done = take_sequence(in, c, out);
            break;
        case IN_OLD_MOUSE:
            take_old_mouse(in);
            break;
        case IN_STRING:
            is_done = take_string(in, c, out);
            break;
        case IN_PASTE:
            break;
        }
        if (is_done) {
            in->has_meta = in->was_esc = false;
            return true;
        }
    }
    for (uint64_t at_ns; (at_ns = vtin_deadline(in)) && now_ns >= at_ns;)
        if (time_out(in, out)) /* a string may wait twice: both waits may be over */
            return true;
    return false;
}

bool vtin_has_more(const struct vtin *in)
{
    return in->at < in->input.n;
}

void vtin_expect_background(struct vtin *in, uint64_t now_ns)
{
    in->expects_until_ns = now_ns + REPLY_WAIT_NS;
}

bool vtin_take_background(struct vtin *in, struct key *out)
{
    static const char *const ends[] = {"\a", "\x1B\\"};
    const size_t n_head = sizeof "\x1B]11;" - 1;
    char *stop = in->input.ptr + in->input.n;
    size_t n_left = in->input.n - in->at;
    char *from = n_left ? memmem(stop - n_left, n_left, "\x1B]11;", n_head) : NULL;
    for (size_t i = 0; from && i < ARRAY_LEN(ends); i++) {
        char *end = memmem(from, (size_t)(stop - from), ends[i], strlen(ends[i]));
        if (!end || end - from > SEQUENCE_MAX)
            continue;
        *out = plain(KEY_BACKGROUND, 0);
        out->text = (struct slice){in->seq, (size_t)(end - from) - n_head};
        memcpy(in->seq, from + n_head, out->text.n);
        end += strlen(ends[i]);
        memmove(from, end, (size_t)(stop - end));
        in->input.n -= (size_t)(end - from);
        return true;
    }
    return false;
}

uint64_t vtin_deadline(const struct vtin *in)
{
    if (in->state == IN_TEXT || vtin_has_more(in))
        return 0;
    return in->t_last_ns + (in->state == IN_PASTE                             ? PASTE_WAIT_NS
                                   : in->state == IN_STRING && in->is_stalled ? REPLY_WAIT_NS
                                                                              : ESC_WAIT_NS);
}
