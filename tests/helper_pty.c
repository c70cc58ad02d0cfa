/* helper_pty.c - see helper_pty.h. */
#include "tests/helper_pty.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <vterm.h>

#include <cmocka.h>

#define WAIT_MS 15000

struct pty {
    int fd, report_fd; /* the shell reports pid and wait statuses of the job */
    pid_t shell, job;
    struct buf bytes, picture;
    VTerm *vterm;
    VTermScreen *screen;
    int n_rows, n_cols;
};

static void run_job(const struct pty_config *cfg)
{
    signal(SIGTTOU, SIG_IGN);
    setpgid(0, 0);
    tcsetpgrp(STDIN_FILENO, getpid());
    signal(SIGTTOU, SIG_DFL);
    if (cfg->term)
        setenv("TERM", cfg->term, 1);
    else
        unsetenv("TERM");
    execv(cfg->argv[0], cfg->argv);
    _exit(127);
}

/* In the child: what a shell with job control does. Never returns. */
static void run_shell(const struct pty_config *cfg, int report_fd)
{
    int status;
    signal(SIGHUP, SIG_DFL);
    pid_t job = fork();
    if (job == 0)
        run_job(cfg);
    signal(SIGHUP, SIG_IGN); /* it has to report also what becomes of the job behind that */
    if (write(report_fd, &job, sizeof job) != sizeof job)
        _exit(1);
    while (waitpid(job, &status, WUNTRACED | WCONTINUED) == job) {
        if (write(report_fd, &status, sizeof status) != sizeof status)
            break;
        if (WIFEXITED(status) || WIFSIGNALED(status))
            break;
    }
    for (;;)
        pause(); /* keeps the terminal open: the test looks at its modes */
}

struct pty *pty_open(const struct pty_config *cfg)
{
    struct pty *pty = mem_alloc(sizeof *pty);
    struct winsize size = {
            .ws_row = (unsigned short)cfg->n_rows, .ws_col = (unsigned short)cfg->n_cols};
    int report[2];
    assert_int_equal(pipe2(report, O_CLOEXEC), 0);
    pty->shell = forkpty(&pty->fd, NULL, NULL, &size);
    assert_true(pty->shell >= 0);
    if (pty->shell == 0) {
        close(report[0]);
        run_shell(cfg, report[1]);
    }
    close(report[1]);
    pty->report_fd = report[0];
    assert_int_equal(read(pty->report_fd, &pty->job, sizeof pty->job), sizeof pty->job);
    pty->n_rows = cfg->n_rows ? cfg->n_rows : 24;
    pty->n_cols = cfg->n_cols ? cfg->n_cols : 80;
    pty->vterm = vterm_new(pty->n_rows, pty->n_cols);
    vterm_set_utf8(pty->vterm, 1);
    pty->screen = vterm_obtain_screen(pty->vterm);
    vterm_screen_enable_altscreen(pty->screen, 1);
    vterm_screen_reset(pty->screen, 1);
    buf_init(&pty->bytes, 256u << 20);
    buf_init(&pty->picture, 1u << 20);
    return pty;
}

void pty_close(struct pty *pty)
{
    kill(pty->job, SIGKILL);
    kill(pty->shell, SIGKILL);
    waitpid(pty->shell, NULL, 0);
    if (pty->fd >= 0)
        close(pty->fd);
    close(pty->report_fd);
    vterm_free(pty->vterm);
    buf_release(&pty->bytes);
    buf_release(&pty->picture);
    mem_free(pty);
}

void pty_type(struct pty *pty, const char *bytes)
{
    assert_int_equal(write(pty->fd, bytes, strlen(bytes)), strlen(bytes));
}

void pty_signal(struct pty *pty, int signum)
{
    assert_int_equal(kill(pty->job, signum), 0);
}

void pty_hang_up(struct pty *pty)
{
    close(pty->fd);
    pty->fd = -1;
}

void pty_resize(struct pty *pty, int n_rows, int n_cols)
{
    struct winsize size = {.ws_row = (unsigned short)n_rows, .ws_col = (unsigned short)n_cols};
    assert_int_equal(ioctl(pty->fd, TIOCSWINSZ, &size), 0); /* the kernel sends SIGWINCH */
    pty->n_rows = n_rows;
    pty->n_cols = n_cols;
    vterm_set_size(pty->vterm, n_rows, n_cols);
}

static size_t read_now(struct pty *pty)
{
    char bytes[65536];
    ssize_t n = read(pty->fd, bytes, sizeof bytes);
    if (n <= 0)
        return 0;
    buf_add(&pty->bytes, bytes, (size_t)n);
    vterm_input_write(pty->vterm, bytes, (size_t)n);
    return (size_t)n;
}

static int left_ms(uint64_t end_ns)
{
    uint64_t now = clock_now_ns();
    return now >= end_ns ? 0 : (int)((end_ns - now) / 1000000) + 1;
}

size_t pty_read(struct pty *pty, int ms)
{
    size_t n = 0;
    for (uint64_t end = clock_now_ns() + (uint64_t)ms * 1000000; left_ms(end);) {
        struct pollfd p = {pty->fd, POLLIN, 0};
        if (poll(&p, 1, left_ms(end)) > 0)
            n += read_now(pty);
    }
    return n;
}

void pty_wait_text(struct pty *pty, const char *text)
{
    for (uint64_t end = clock_now_ns() + WAIT_MS * 1000000ull;
            !strstr(pty_picture(pty), text);) {
        if (!left_ms(end))
            fail_msg("\"%s\" does not appear; the screen is\n%s", text, pty_picture(pty));
        pty_read(pty, 20);
    }
}

void pty_wait_quiet(struct pty *pty)
{
    for (uint64_t end = clock_now_ns() + WAIT_MS * 1000000ull; pty_read(pty, 300);)
        if (!left_ms(end))
            fail_msg("it never stops to write");
}

int pty_wait_status(struct pty *pty, bool reads)
{
    int status;
    for (uint64_t end = clock_now_ns() + WAIT_MS * 1000000ull; left_ms(end);) {
        struct pollfd p[] = {{pty->report_fd, POLLIN, 0}, {pty->fd, POLLIN, 0}};
        poll(p, reads ? 2 : 1, left_ms(end));
        if (reads && p[1].revents & POLLIN)
            read_now(pty);
        if (p[0].revents & POLLIN &&
                read(pty->report_fd, &status, sizeof status) == sizeof status) {
            if (reads)
                pty_read(pty, 50); /* what it wrote last */
            return status;
        }
    }
    fail_msg("it neither stops nor ends; the screen is\n%s", pty_picture(pty));
    return -1;
}

const char *pty_picture(struct pty *pty)
{
    buf_clear(&pty->picture);
    for (int row = 0; row < pty->n_rows; row++) {
        char text[8192];
        VTermRect rect = {row, row + 1, 0, pty->n_cols};
        size_t n = vterm_screen_get_text(pty->screen, text, sizeof text, rect);
        struct slice line = {text, n < sizeof text ? n : sizeof text};
        while (line.n && line.ptr[line.n - 1] == ' ')
            line.n--;
        buf_add_slice(&pty->picture, line);
        buf_add_text(&pty->picture, "\n");
    }
    return buf_text(&pty->picture);
}

struct slice pty_bytes(const struct pty *pty)
{
    return buf_slice(&pty->bytes);
}

char pty_mode(const struct pty *pty, int mode)
{
    char last = 0;
    const char *end = buf_text(&pty->bytes) + pty->bytes.n;
    for (const char *at = buf_text(&pty->bytes);
            (at = memmem(at, (size_t)(end - at), "\x1B[?", 3));) {
        bool is_meant = false;
        at += 2;
        do {
            at++;
            is_meant |= strtol(at, NULL, 10) == mode;
            at += strspn(at, "0123456789");
        } while (*at == ';');
        if (is_meant && (*at == 'h' || *at == 'l'))
            last = *at;
    }
    return last;
}

bool pty_is_cooked(const struct pty *pty)
{
    struct termios modes;
    assert_int_equal(tcgetattr(pty->fd, &modes), 0);
    tcflag_t wanted = ICANON | ECHO | ISIG;
    return (modes.c_lflag & wanted) == wanted && modes.c_oflag & OPOST && modes.c_iflag & ICRNL;
}
