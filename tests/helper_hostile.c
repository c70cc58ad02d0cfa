/* helper_hostile.c - see helper_hostile.h. */
#include "tests/helper_hostile.h"

#include <stdio.h>
#include <string.h>

static const char *const pieces[] = {"\x1B[2J", "\x1B[6n", "\x1B]0;owned\x07",
        "\x1B]52;c;cHduZWQ=\x07", "\x1B]8;;http://evil\x1B\\", "\x1BP1$r0m\x1B\\",
        "\x1B_G\x1B\\", "\x1B^x\x1B\\", "\x1B", "\x1B\x1B[",
        "\x9B"
        "31m",
        "\xC2\x9B"
        "31m",
        "\xC2\x9D"
        "0;owned\xC2\x9C",
        "\x07", "\x08\x08", "\r", "\x0E", "\x0F", "\x7F",
        /* what reads differently from what it is */
        "\xE2\x80\xAA", "\xE2\x80\xAE", "\xE2\x81\xA6", "\xE2\x81\xA9", "\xE2\x80\x8E",
        "\xE2\x80\x8F", "\xD8\x9C", "\xE2\x80\x8B", "\xE2\x81\xA0", "\xEF\xBB\xBF",
        "\xF3\xA0\x81\x81", "\xF3\xA0\x81\xBF", "\xE2\x80\xA8", "\xE2\x80\xA9", "\xEE\x80\x80",
        "\xF3\xB0\x80\x80",
        /* broken, overlong, surrogates, too large */
        "\xFF", "\xC3", "\xE2\x80", "\xC0\x9B", "\xE0\x80\x9B", "\xED\xA0\x80\xED\xB0\x80",
        "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80",
        /* marks without end, joined pictures, wide ones */
        "e\xCC\x81\xCC\x82\xCC\x83\xCC\x84\xCC\x85\xCC\x86\xCC\x87\xCC\x88\xCC\x89\xCC\x8A",
        "\xCC\x81", "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB", "\xE4\xB8\xAD",
        "\xEF\xB8\x8F",
        /* markdown that may carry some */
        "`", "**", "\n\n", "\n", "\t", "| a |\n|-|\n| ", "[x](", "&#27;", "&#x202e;", "> ",
        "word ", "Word", " ", "1"};

void hostile_add(struct buf *out, uint64_t *rng, int n_pieces)
{
    for (int i = 0; i < n_pieces; i++)
        buf_add_text(out, pieces[rng_next(rng) % ARRAY_LEN(pieces)]);
}

static bool is_between(uint32_t cp, uint32_t first, uint32_t last)
{
    return cp >= first && cp <= last;
}

static bool is_harmless(uint32_t cp)
{
    bool is_control = is_between(cp, 0, 0x1F) || is_between(cp, 0x7F, 0x9F);
    bool is_bidi = is_between(cp, 0x202A, 0x202E) || is_between(cp, 0x2066, 0x2069) ||
                   is_between(cp, 0x200E, 0x200F) || cp == 0x061C;
    bool is_hidden = cp == 0x200B || is_between(cp, 0x2060, 0x2064) || cp == 0xFEFF ||
                     is_between(cp, 0xE0000, 0xE007F);
    bool is_private = is_between(cp, 0xE000, 0xF8FF) || cp >= 0xF0000;
    bool is_line_end = cp == 0x2028 || cp == 0x2029;
    return !is_control && !is_bidi && !is_hidden && !is_private && !is_line_end;
}

static bool is_good(struct slice text, bool may_have_lines)
{
    uint32_t cp;
    for (size_t at = 0, n; at < text.n; at += n) {
        n = utf8_decode(text.ptr + at, text.n - at, &cp);
        bool is_broken = cp == 0xFFFD && n == 1;
        bool is_space = may_have_lines && (cp == '\n' || cp == '\t');
        if (is_broken || !(is_harmless(cp) || is_space))
            return false;
    }
    return true;
}

bool text_is_harmless(struct slice text)
{
    return is_good(text, true);
}

bool screen_is_harmless(const struct screen *screen)
{
    for (int i = 0; i < screen->n_rows * screen->n_cols; i++) {
        const struct cell *cell = &screen->cells[i];
        if (!is_good((struct slice){cell->text, cell->n_bytes}, false))
            return false;
    }
    return true;
}

/* The bytes of a sequence that draws or sets a mode, ESC included; 0: it is another. Questions
 * (cursor, status), titles, the clipboard and links are others. */
static size_t drawing_sequence(struct slice s)
{
    if (s.n < 2)
        return 0;
    if (strchr("=>78M", s.ptr[1]))
        return 2;
    if (s.ptr[1] == '(')
        return s.n > 2 && strchr("B0", s.ptr[2]) ? 3 : 0;
    if (slice_has_prefix(s, "\x1B[22;0;0t") || slice_has_prefix(s, "\x1B[23;0;0t"))
        return 9; /* terminfo's xterm keeps the title while it is on the other screen */
    if (slice_has_prefix(s, "\x1B]11;?\x1B\\"))
        return 8; /* what the background is, for the theme */
    if (s.ptr[1] != '[')
        return 0;
    size_t n = 2;
    while (n < s.n && strchr("0123456789;?>$!", s.ptr[n]) && s.ptr[n])
        n++;
    return n < s.n && strchr("ABCDEFGHJKLMPSTXZ@`abdefghlmpru", s.ptr[n]) ? n + 1 : 0;
}

const char *find_harm(struct slice bytes)
{
    static char found[200];
    for (size_t at = 0, n; at < bytes.n; at += n) {
        struct slice rest = {bytes.ptr + at, bytes.n - at};
        const char *escape = memchr(rest.ptr, 0x1B, rest.n);
        struct slice text = {rest.ptr, escape ? (size_t)(escape - rest.ptr) : rest.n};
        n = text.n ? text.n : drawing_sequence(rest);
        for (size_t i = 0, used; i < text.n; i += used) {
            uint32_t cp;
            used = utf8_decode(text.ptr + i, text.n - i, &cp);
            bool is_motion = cp == '\r' || cp == '\n' || cp == '\b' || cp == '\t';
            if ((!is_harmless(cp) && !is_motion) || (cp == 0xFFFD && used == 1))
                n = 0;
        }
        if (n)
            continue;
        size_t n_shown = 0;
        for (size_t i = 0; i < rest.n && i < 40 && n_shown < sizeof found - 5; i++)
            n_shown += (size_t)snprintf(found + n_shown, sizeof found - n_shown,
                    rest.ptr[i] > ' ' && rest.ptr[i] < 0x7F ? "%c" : "<%02x>",
                    (unsigned char)rest.ptr[i]);
        return found;
    }
    return NULL;
}
