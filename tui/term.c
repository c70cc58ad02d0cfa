/*
 * term.c - see term.h. ncurses computes the difference between two screens and writes it into a
 * memfd; the bytes go to the terminal in one write between the marks of a synchronised update.
 * ncurses sets terminal modes on the descriptor it writes to, so raw mode, the alternate screen
 * and their restoration are done here.
 */
#include "tui/term.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <ncurses.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "tui/surface.h"
#include "tui/theme.h"
#include "tui/true_color.h"

#define ENTER          "\x1B[?1049h\x1B[?2004h\x1B[?25l"
#define MOUSE_ON       "\x1B[?1000h\x1B[?1006h"
#define MOUSE_OFF      "\x1B[?1006l\x1B[?1000l"
#define LEAVE          MOUSE_OFF "\x1B[?2026l\x1B[?2004l\x1B[0m\x1B[?25h\x1B[?1049l"
#define ASK_BACKGROUND "\x1B]11;?\x1B\\"
#define RGB_TERM       "xterm-256color" /* whose colours true_color.h rewrites */
#define SYNC_ON        "\x1B[?2026h"
#define SYNC_OFF       "\x1B[?2026l"
#define STUCK_MS       500
#define ANSWER_NS      1000000000ull /* an answer may be on its way so long */
#define ANSWER_MS      100           /* … and is waited for at the end so long */

struct term {
    int fd, mem_fd, saved_stderr, stderr_fd;
    FILE *mem, *in; /* of ncurses */
    SCREEN *screen;
    const struct theme *theme;
    enum color_depth depth;
    struct true_colors true_colors; /* COLOR_RGB */
    uint64_t asked_ns;              /* for the background, without an answer yet; 0: not */
    int n_rows, n_cols;
    struct buf out; /* what the terminal has not taken yet */
    bool must_repaint, is_ascii, has_mouse;
    int pairs[ROLE_COUNT],
            selected_pairs[ROLE_COUNT]; /* selected: of states, on that background */
    int *heat_pairs; /* [RAMP_COUNT][RAMP_LEVELS][RAMP_LEVELS]; 0: not made yet */
    int tint_pairs[RAMP_LEVELS];
    int n_pairs;
    bool cursor_shown;
};

/* What a signal handler needs: nothing else is touched there. */
static volatile int crash_fd = -1;
static struct termios crash_modes;

/* False: the terminal takes nothing more (Ctrl-S, a dead connection). Async-signal-safe. */
static bool write_fully(int fd, const char *bytes, size_t n)
{
    while (n) {
        ssize_t done = write(fd, bytes, n);
        struct pollfd p = {fd, POLLOUT, 0};
        if (done > 0)
            bytes += done, n -= (size_t)done;
        else if (done < 0 && errno == EAGAIN && poll(&p, 1, STUCK_MS) == 0)
            return false;
        else if (done < 0 && errno != EAGAIN && errno != EINTR)
            return false;
    }
    return true;
}

/* Async-signal-safe. */
static void restore(void)
{
    int fd = crash_fd;
    if (fd < 0)
        return;
    crash_fd = -1;
    if (!write_fully(fd, LEAVE, sizeof LEAVE - 1)) { /* goes in place of what still waits */
        tcflush(fd, TCOFLUSH);
        write_fully(fd, LEAVE, sizeof LEAVE - 1);
    }
    tcsetattr(fd, TCSANOW, &crash_modes);
}

static void on_crash(int signum)
{
    restore();
    signal(signum, SIG_DFL);
    raise(signum);
}

static void install_handlers(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    struct sigaction action = {.sa_handler = on_crash, .sa_flags = SA_NODEFER | SA_RESETHAND};
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        sigaction(signals[i], &action, NULL);
}

static void set_raw(struct term *term)
{
    struct termios modes;
    tcgetattr(term->fd, &modes);
    if (crash_fd < 0) /* else they are our own */
        crash_modes = modes;
    cfmakeraw(&modes);
    modes.c_cc[VMIN] = 0;
    modes.c_cc[VTIME] = 0;
    tcsetattr(term->fd, TCSANOW, &modes);
    crash_fd = term->fd;
}

/* Libraries that print must not break the screen: it is shown when the screen is gone. */
static void capture_stderr(struct term *term)
{
    term->stderr_fd = memfd_create("stderr", MFD_CLOEXEC);
    term->saved_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (term->stderr_fd >= 0 && term->saved_stderr >= 0)
        dup2(term->stderr_fd, STDERR_FILENO);
}

static void release_stderr(struct term *term)
{
    char bytes[4096];
    ssize_t n;
    if (term->saved_stderr < 0 || term->stderr_fd < 0)
        return;
    dup2(term->saved_stderr, STDERR_FILENO);
    close(term->saved_stderr);
    lseek(term->stderr_fd, 0, SEEK_SET);
    while ((n = read(term->stderr_fd, bytes, sizeof bytes)) > 0)
        write_fully(STDERR_FILENO, bytes, (size_t)n);
    close(term->stderr_fd);
    term->saved_stderr = term->stderr_fd = -1;
}

/* Eight colours have no bright ones, and black for grey would be invisible. */
static int ncurses_color(struct term *term, const struct color *c)
{
    enum { BRIGHT_BLACK = 8 };
    enum color_depth depth = COLORS < 256 && term->depth > COLOR_16 ? COLOR_16 : term->depth;
    if (depth == COLOR_RGB && c->rgb != COLOR_DEFAULT)
        return true_color_number(&term->true_colors, c->rgb);
    int number = theme_color_number(c, depth);
    if (COLORS >= 16 || number < BRIGHT_BLACK)
        return number;
    return number == BRIGHT_BLACK ? COLOR_DEFAULT : number & 7;
}

static int make_pair(struct term *term, const struct color *fg, const struct color *bg)
{
    if (term_is_mono(term) || term->n_pairs + 1 >= COLOR_PAIRS)
        return 0;
    int pair = ++term->n_pairs;
    init_extended_pair(pair, ncurses_color(term, fg), ncurses_color(term, bg));
    return pair;
}

static void make_pairs(struct term *term)
{
    term->n_pairs = 0;
    term->true_colors.n = 0;
    memset(term->heat_pairs, 0,
            RAMP_COUNT * RAMP_LEVELS * RAMP_LEVELS * sizeof *term->heat_pairs);
    const struct style *styles = term->theme->styles;
    for (int i = 0; i < ROLE_COUNT; i++) {
        term->pairs[i] = make_pair(term, &styles[i].fg, &styles[i].bg);
        if (role_is_state((enum role)i))
            term->selected_pairs[i] = make_pair(term, &styles[i].fg, &styles[ROLE_SELECTED].bg);
    }
    for (int i = 0; i < RAMP_LEVELS; i++)
        term->tint_pairs[i] = make_pair(
                term, &term->theme->ramps[RAMP_TEXT][i], &term->theme->styles[ROLE_TEXT].bg);
}

/* Half-block pairs are made when they are first needed: few of the 144 ever are. */
static int heat_pair(struct term *term, const struct cell *cell)
{
    int *pair = &term->heat_pairs[(cell->ramp * RAMP_LEVELS + cell->level_top) * RAMP_LEVELS +
                                  cell->level_bottom];
    const struct color *ramp = term->theme->ramps[cell->ramp];
    if (*pair == 0)
        *pair = make_pair(term, &ramp[cell->level_top], &ramp[cell->level_bottom]);
    return *pair;
}

static enum status open_ncurses(struct term *term, const char *name, struct err *err)
{
    term->mem_fd = memfd_create("frame", MFD_CLOEXEC);
    term->mem = term->mem_fd >= 0 ? fdopen(term->mem_fd, "w+") : NULL;
    term->in = fopen("/dev/null", "re");
    /* No such terminal here: what nearly all understand. */
    const char *const names[] = {name, "xterm-256color", "ansi"};
    char number[16];
    snprintf(number, sizeof number, "%d", term->n_rows);
    setenv("LINES", number, 1);
    snprintf(number, sizeof number, "%d", term->n_cols);
    setenv("COLUMNS", number, 1);
    for (size_t i = 0; term->mem && term->in && !term->screen && i < ARRAY_LEN(names); i++)
        term->screen = newterm(names[i], term->mem, term->in);
    unsetenv("LINES");
    unsetenv("COLUMNS");
    if (!term->screen)
        return err_set(err, ERR_UNSUPPORTED,
                "the terminal \"%s\" is unknown here; set TERM to xterm-256color, or use "
                "`shunt ask`",
                name);
    set_term(term->screen);
    start_color();
    use_default_colors();
    leaveok(stdscr, FALSE);
    make_pairs(term);
    return OK;
}

enum status term_open(struct term **out, const char *name, const struct theme *theme,
        enum color_depth depth, struct err *err)
{
    if (!name[0] || strcmp(name, "dumb") == 0)
        return err_set(err, ERR_UNSUPPORTED,
                "TERM is \"%s\", a terminal without a screen: set TERM to your terminal's "
                "name, or use `shunt ask`",
                name);
    struct term *term = mem_alloc(sizeof *term);
    term->saved_stderr = term->stderr_fd = -1;
    term->fd = open("/dev/tty", O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (term->fd < 0) {
        mem_free(term);
        return err_set(err, ERR_IO, "there is no terminal (%s); `shunt ask` works without one",
                strerror(errno));
    }
    term->theme = theme;
    term->depth = depth;
    term->heat_pairs =
            mem_alloc(RAMP_COUNT * RAMP_LEVELS * RAMP_LEVELS * sizeof *term->heat_pairs);
    buf_init(&term->out, 64u << 20);
    int rows, cols;
    term_check_size(term, &rows, &cols);
    enum status status = open_ncurses(term, depth == COLOR_RGB ? RGB_TERM : name, err);
    if (status != OK) {
        close(term->fd);
        mem_free(term->heat_pairs);
        mem_free(term);
        return status;
    }
    set_raw(term);
    install_handlers();
    capture_stderr(term);
    write_fully(term->fd, ENTER, sizeof ENTER - 1);
    term->must_repaint = true;
    *out = term;
    return OK;
}

void term_set_theme(struct term *term, const struct theme *theme)
{
    term->theme = theme;
    make_pairs(term);
    term->must_repaint = true;
}

void term_ask_background(struct term *term)
{
    term_send(term, SLICE(ASK_BACKGROUND));
    term->asked_ns = clock_now_ns();
}

void term_background_came(struct term *term)
{
    term->asked_ns = 0;
}

void term_set_mouse(struct term *term, bool is_on)
{
    term->has_mouse = is_on;
    term_send(term, is_on ? SLICE(MOUSE_ON) : SLICE(MOUSE_OFF));
}

/* An answer or a report of the mouse that is on its way would reach the shell as if it was
 * typed. */
static void drop_reports(struct term *term)
{
    struct pollfd p = {term->fd, POLLIN, 0};
    bool is_asked = term->asked_ns && clock_now_ns() < term->asked_ns + ANSWER_NS;
    if (term->has_mouse)
        write_fully(term->fd, MOUSE_OFF, sizeof MOUSE_OFF - 1);
    if ((is_asked && poll(&p, 1, ANSWER_MS) > 0) || term->has_mouse)
        tcflush(term->fd, TCIFLUSH);
    term->asked_ns = 0;
}

void term_close(struct term *term)
{
    if (!term)
        return;
    write_fully(term->fd, buf_text(&term->out), term->out.n);
    drop_reports(term);
    restore();
    release_stderr(term);
    endwin();
    delscreen(term->screen);
    fclose(term->mem);
    fclose(term->in);
    close(term->fd);
    buf_release(&term->out);
    mem_free(term->heat_pairs);
    mem_free(term);
}

int term_fd(const struct term *term)
{
    return term->fd;
}

bool term_wants_write(const struct term *term)
{
    return term->out.n > 0;
}

void term_flush(struct term *term)
{
    ssize_t n = write(term->fd, term->out.ptr, term->out.n);
    if (n > 0)
        buf_drop_front(&term->out, (size_t)n);
}

void term_check_size(struct term *term, int *n_rows, int *n_cols)
{
    struct winsize size = {0};
    ioctl(term->fd, TIOCGWINSZ, &size);
    *n_rows = size.ws_row ? size.ws_row : 24;
    *n_cols = size.ws_col ? size.ws_col : 80;
    *n_rows = *n_rows > 1000 ? 1000 : *n_rows;
    *n_cols = *n_cols > 2000 ? 2000 : *n_cols;
    bool has_changed = *n_rows != term->n_rows || *n_cols != term->n_cols;
    term->n_rows = *n_rows;
    term->n_cols = *n_cols;
    if (has_changed && term->screen) {
        resizeterm(*n_rows, *n_cols);
        term->must_repaint = true;
    }
}

bool term_is_mono(const struct term *term)
{
    return term->depth == COLOR_NEVER || !has_colors();
}

bool term_has_heat(const struct term *term)
{
    return !term_is_mono(term) && !term->is_ascii && COLORS >= 16 &&
           theme_has_heat(term->theme);
}

static attr_t curses_attrs(uint8_t attrs)
{
    return (attrs & ATTR_BOLD ? A_BOLD : 0) | (attrs & ATTR_DIM ? A_DIM : 0) |
           (attrs & ATTR_UNDERLINE ? A_UNDERLINE : 0) | (attrs & ATTR_REVERSE ? A_REVERSE : 0) |
           (attrs & ATTR_ITALIC ? A_ITALIC : 0);
}

/* Without colours the selected and the failed must still show. */
static attr_t mono_attrs(enum role role)
{
    return role == ROLE_SELECTED                      ? A_REVERSE
           : role == ROLE_ERROR || role == ROLE_MATCH ? A_BOLD
                                                      : 0;
}

/* Without colours a tint shows in three steps: plain, underlined, underlined and bold. */
static attr_t mono_tint(int level)
{
    return level >= RAMP_LEVELS * 2 / 3 ? A_UNDERLINE | A_BOLD
           : level >= RAMP_LEVELS / 3   ? A_UNDERLINE
                                        : 0;
}

static void put_heat(struct term *term, int row, int col, const struct cell *cell)
{
    cchar_t c;
    bool is_mono = !term_has_heat(term);
    int hotter = cell->level_top > cell->level_bottom ? cell->level_top : cell->level_bottom;
    wchar_t text[2] = {is_mono ? (wchar_t)term->theme->mono[hotter] : 0x2580, 0};
    int pair = is_mono ? 0 : heat_pair(term, cell);
    setcchar(&c, text, curses_attrs(cell->attrs), 0, &pair);
    mvadd_wch(row, col, &c);
}

static void put_cell(struct term *term, int row, int col, const struct cell *cell)
{
    wchar_t text[CCHARW_MAX + 1];
    cchar_t c;
    size_t n = 0;
    if (cell->ramp != RAMP_NONE) {
        put_heat(term, row, col, cell);
        return;
    }
    for (size_t at = 0; at < cell->n_bytes && n < CCHARW_MAX; n++) {
        uint32_t cp;
        at += utf8_decode(cell->text + at, cell->n_bytes - at, &cp);
        text[n] = (wchar_t)cp;
    }
    text[n] = 0;
    /* What ncurses counts differently from us would shift the row. */
    if (n == 0 || wcwidth(text[0]) != cell->width) {
        text[0] = term->is_ascii ? L'?' : L'\u00B7';
        text[1] = 0;
    }
    const struct style *style = &term->theme->styles[cell->role];
    bool keeps_state = cell->is_selected && role_is_state((enum role)cell->role);
    uint8_t selected = keeps_state ? term->theme->styles[ROLE_SELECTED].attrs : 0;
    attr_t attrs = curses_attrs(style->attrs | cell->attrs | selected);
    if (term->depth == COLOR_NEVER)
        attrs |= mono_attrs(cell->is_selected ? ROLE_SELECTED : (enum role)cell->role);
    int pair = cell->tint    ? term->tint_pairs[cell->tint - 1]
               : keeps_state ? term->selected_pairs[cell->role]
                             : term->pairs[cell->role];
    if (cell->tint && pair == 0)
        attrs |= mono_tint(cell->tint - 1);
    if (setcchar(&c, text, attrs, 0, &pair) != OK)
        setcchar(&c, L"?", attrs, 0, &pair);
    mvadd_wch(row, col, &c);
    if (cell->width == 2 && wcwidth(text[0]) != 2)
        mvadd_wch(row, col + 1, &c);
}

static void paint(struct term *term, const struct screen *screen)
{
    term->is_ascii = screen->charset != CHARSET_UTF8;
    erase();
    for (int row = 0; row < screen->n_rows && row < LINES; row++)
        for (int col = 0; col < screen->n_cols && col < COLS; col++) {
            const struct cell *cell = &screen->cells[row * screen->n_cols + col];
            bool is_last = row == LINES - 1 && col == COLS - 1;
            if (cell->width > 0 &&
                    !is_last) /* writing the last cell would scroll some terminals */
                put_cell(term, row, col, cell);
        }
    if (screen->cursor_row >= 0)
        move(screen->cursor_row, screen->cursor_col);
    if (term->must_repaint)
        clearok(curscr, TRUE);
    term->must_repaint = false;
    wnoutrefresh(stdscr);
}

void term_show(struct term *term, const struct screen *screen)
{
    if (term->out.n)
        return;
    paint(term, screen);
    doupdate();
    fflush(term->mem);
    off_t n = lseek(term->mem_fd, 0, SEEK_CUR);
    bool cursor = screen->cursor_row >= 0;
    if (n > 0 || cursor != term->cursor_shown) {
        buf_add_text(&term->out, SYNC_ON);
        char *bytes = mem_alloc((size_t)n + 1);
        if (n > 0 && pread(term->mem_fd, bytes, (size_t)n, 0) == n)
            true_color_write(&term->true_colors, (struct slice){bytes, (size_t)n}, &term->out);
        mem_free(bytes);
        if (cursor != term->cursor_shown)
            buf_add_text(&term->out, cursor ? "\x1B[?25h" : "\x1B[?25l");
        buf_add_text(&term->out, SYNC_OFF);
        term->cursor_shown = cursor;
    }
    if (ftruncate(term->mem_fd, 0) == 0)
        lseek(term->mem_fd, 0, SEEK_SET);
    if (term->out.n)
        term_flush(term);
}

void term_send(struct term *term, struct slice bytes)
{
    buf_add_slice(&term->out, bytes);
    term_flush(term);
}

void term_repaint(struct term *term)
{
    term->must_repaint = true;
}

ssize_t term_read(struct term *term, char *bytes, size_t n)
{
    ssize_t got = read(term->fd, bytes, n);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    return got;
}

void term_give(struct term *term)
{
    write_fully(term->fd, buf_text(&term->out), term->out.n);
    buf_clear(&term->out);
    drop_reports(term);
    restore();
    if (term->saved_stderr >= 0)
        dup2(term->saved_stderr, STDERR_FILENO);
}

void term_take(struct term *term)
{
    int rows, cols;
    if (term->stderr_fd >= 0)
        dup2(term->stderr_fd, STDERR_FILENO);
    set_raw(term);
    term_send(term, SLICE(ENTER));
    if (term->has_mouse)
        term_set_mouse(term, true);
    term->cursor_shown = false;
    term_check_size(term, &rows, &cols);
    term->must_repaint = true;
}

void term_suspend(struct term *term)
{
    term_give(term);
    struct sigaction stop = {.sa_handler = SIG_DFL}, old;
    sigaction(SIGTSTP, &stop, &old);
    kill(0, SIGTSTP); /* the whole job, as the terminal would */
    sigaction(SIGTSTP, &old, NULL);
    term_take(term);
}
