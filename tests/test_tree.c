/*
 * test_tree.c - the rules of the repository: who may include whom, which calls are made where,
 * which variables outlive a call, which words name things, and nothing of a developer's
 * machine. The tables below say what is allowed; what no row allows fails with its file and
 * line, and a row that nothing needs any more fails as well, so the tables stay narrow.
 */
#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/helper_source.h"

struct rule {
    const char *who, *what; /* fnmatch patterns */
    bool is_used;
};

static struct rule may_include[] = {
        {"*", "<errno.h>"},
        {"*", "<inttypes.h>"},
        {"*", "<limits.h>"},
        {"*", "<math.h>"},
        {"*", "<std*.h>"},
        {"*", "<string*.h>"},
        {"*", "<time.h>"},
        {"*", "<dirent.h>"},
        {"*", "<fcntl.h>"},
        {"*", "<poll.h>"},
        {"*", "<signal.h>"},
        {"*", "<sys/*.h>"},
        {"*", "<unistd.h>"},
        {"engine/base.c", "<locale.h>"},
        {"tui/main.c", "<locale.h>"},
        {"tui/fuzzy.c", "<wctype.h>"},
        {"tui/main.c", "<langinfo.h>"},
        {"tui/cmd_doctor.c", "<langinfo.h>"},
        {"tui/config.c", "<langinfo.h>"},
        {"tui/config.c", "<pwd.h>"},
        {"tui/term.c", "<termios.h>"},
        {"tui/term.c", "<wchar.h>"},

        /* who starts threads */
        {"kernels/pool.c", "<pthread.h>"},
        {"kernels/pool.c", "<sched.h>"},
        {"kernels/cuda_library.c", "<dlfcn.h>"},
        {"engine/thread.h", "<pthread.h>"},
        {"router/net_transfer.h", "engine/thread.h"},
        {"router/scan.c", "engine/thread.h"},
        {"router/store.c", "engine/thread.h"},

        /* one owner for each library */
        {"kernels/dot_*", "<immintrin.h>"},
        {"engine/json.c", "<cjson/cJSON.h>"},
        {"engine/tokenizer_bpe.c", "<pcre2.h>"},
        {"router/net_transfer.h", "<curl/curl.h>"},
        {"router/http_error.c", "<curl/curl.h>"},
        {"router/store_*.h", "<sqlite3.h>"},
        {"tui/help_search.c", "<sqlite3.h>"}, /* an index in memory */
        {"tui/term.c", "<ncurses.h>"},
        {"tui/text.c", "<utf8proc.h>"},
        {"tui/markdown.c", "<md4c.h>"},
        {"tui/markdown_code.c", "<md4c.h>"},

        {"kernels/gk.h", "<cuda_*.h>"},
        {"kernels/gk.h", "<float.h>"},
        {"kernels/gk.h", "cudaemu.h"},

        {"kernels/*", "kernels/*"},

        {"engine/*", "engine/*"},
        {"engine/*", "kernels/kernels.h"},
        {"engine/*", "kernels/quant.h"},
        {"engine/backend.c", "kernels/cuda_library.h"},

        {"router/*", "router/*"},
        {"router/*", "engine/base.h"},
        {"router/core_runs.c", "engine/builtin.h"},
        {"router/endpoint.c", "engine/builtin.h"},
        {"router/*", "engine/event.h"},
        {"router/*", "engine/json.h"},
        {"router/*", "engine/request.h"},
        {"router/*", "engine/telemetry.h"},
        {"router/hub.h", "engine/backend.h"},
        {"router/hub.c", "engine/engine.h"},
        {"router/hub.c", "engine/gguf.h"},
        {"router/net_transfer.h", "engine/queue.h"},
        {"router/models.h", "engine/memory.h"},
        {"router/model_file.h", "engine/model_facts.h"},
        {"router/hub.c", "engine/queue.h"},
        {"router/scan.c", "engine/queue.h"},
        {"router/store.c", "engine/queue.h"},

        {"tui/*", "tui/*"},
        {"tui/*", "engine/base.h"},
        {"tui/cmd_fleet_list.c", "engine/builtin.h"},
        {"tui/help_search.c", "engine/builtin.h"},
        {"tui/main.c", "engine/builtin.h"},
        {"tui/pane_model.c", "engine/builtin.h"},
        {"tui/view_fleet.c", "engine/builtin.h"},
        {"tui/*", "engine/event.h"},
        {"tui/*", "engine/request.h"},
        {"tui/*", "engine/telemetry.h"},
        {"tui/*", "router/core.h"}, /* and what it holds */
        {"tui/*", "router/balance.h"},
        {"tui/*", "router/conf.h"},
        {"tui/*", "router/endpoint.h"},
        {"tui/*", "router/fleet.h"},
        {"tui/*", "router/policy.h"},
        {"tui/*", "router/notice.h"},
        {"tui/*", "router/model_file.h"},
        {"tui/*", "router/decision_json.h"},
        {"tui/*", "router/prices.h"},
        {"tui/*", "router/session.h"},
        {"tui/*", "router/session_tree.h"},
        {"tui/*", "router/zone.h"},
        {"tui/config.h", "engine/backend.h"},
        {"tui/app*.c", "router/hub.h"},
        {"tui/app.c", "router/store.h"},
        {"tui/app_offer.c", "engine/engine.h"},
        {"tui/cmd_ask.c", "engine/engine.h"},
        {"tui/ask_*.c", "engine/json.h"},
        {"tui/cmd_*.c", "engine/json.h"},
        {"tui/cmd_*.c", "engine/model.h"},
        {"tui/cmd_model_list.c", "engine/model_facts.h"},
        {"tui/cmd_ask.c", "router/hub.h"},
        {"tui/cmd_bench.c", "engine/bench.h"},
        {"tui/cmd_bench.c", "engine/synthetic.h"},
        {"tui/cmd_fleet.c", "router/hub.h"},
        {"tui/cmd_*.c", "router/store.h"},
        {"tui/cmd_fleet_list.c", "router/history.h"},
        {"tui/cmd_fleet_list.c", "router/secret.h"},
        {"tui/cmd_route.c", "router/history.h"},
        {"tui/cmd_route.c", "router/pilot.h"},
        {"tui/pilot_help.h", "router/pilot.h"},
        {"tui/passage_tables.c", "router/*.def"},
        {"tui/cmd_eval.c", "engine/eval_*.h"},
        {"tui/cmd_eval.c", "router/difficulty.h"},
        {"tui/cmd_eval.c", "router/question.h"},
        {"tui/palette.c", "router/store.h"}, /* rows of sessions, as the core found them */
        {"tui/view_sessions.c", "router/store.h"},
        {"tui/*", "engine/model_info.h"},
};

/* Headers inside a layer that are not for the whole layer. */
static struct rule may_look_inside[] = {
        {"engine/engine*", "engine/engine_internal.h"},
        {"engine/gguf*", "engine/gguf_internal.h"},
        {"engine/arch*", "engine/model_internal.h"},
        {"engine/forward.c", "engine/model_internal.h"},
        {"engine/model*", "engine/model_internal.h"},
        {"engine/tokenizer*", "engine/tokenizer_internal.h"},
        {"router/core*", "router/core_internal.h"},
        {"router/hub.c", "router/net.h"},
        {"router/hub.c", "router/scan.h"},
        {"router/scan.c", "router/scan.h"},
        {"router/net.c", "router/net.h"},
        {"router/net*.c", "router/net_transfer.h"},
        {"router/store*", "router/store_sql.h"},
        {"router/store*", "router/store_query.h"},
        {"router/store*", "router/store_writer.h"},
        {"tui/app.c", "tui/app.h"},
        {"tui/cmd_tui.c", "tui/app.h"},
        {"tui/app*.c", "tui/app_internal.h"},
        {"tui/app*.c", "tui/term.h"},
        {"tui/term.c", "tui/term.h"},
        {"tui/view_chat*", "tui/view_chat_internal.h"},
};

static const char *const nobody_calls[] = {"strcpy", "strcat", "sprintf", "vsprintf", "strtok",
        "gets", "atoi", "atol", "atof", "system", "popen", "rand", "localtime", "gmtime",
        "strdup", "strndup", "asprintf"};

/* Calls that only the named files make. */
static struct rule may_call[] = {
        {"kernels/*", "calloc"},
        {"kernels/cpu_plan.c", "realloc"},
        {"kernels/cpu.c", "clock_gettime"}, /* the seconds of kernels_stream */
        {"kernels/*", "aligned_alloc"},
        {"kernels/*", "free"},
        {"engine/base.c", "calloc"},
        {"engine/base.c", "realloc"},
        {"engine/base.c", "posix_memalign"},
        {"engine/base.c", "free"},
        {"engine/base.c", "clock_gettime"},
        {"router/endpoint.c", "getenv"}, /* ~ in a path */
        {"router/secret.c", "getenv"},   /* the keys */
        {"tui/config.c", "getenv"},
        {"tui/term.c", "setenv"}, /* the size, for ncurses alone */
        {"tui/term.c", "unsetenv"},
        {"tui/main.c", "setlocale"},
        {"router/secret.c", "fork"}, /* key_command */
        {"router/secret.c", "execl"},
        {"tui/external_editor.c", "fork"},
        {"tui/external_editor.c", "execl"},
};

/* What these files compute depends on their arguments alone: no clock, no file, no
 * thread. */
static const char *const pure_files[] = {"kernels/*_cpu.c", "kernels/dot*",
        "engine/chat_template.c", "engine/forward.c", "engine/json.c", "engine/sampler.c",
        "engine/tokenizer*", "router/balance.c", "router/core*", "router/decision_json.c",
        "router/difficulty.c", "router/features.c", "router/fleet.c", "router/history.c",
        "router/http_error.c", "router/limits.c", "router/policy.c", "router/question.c",
        "router/session*.c", "router/sse.c", "router/wire*", "tui/chat_*", "tui/commands.c",
        "tui/editor.c", "tui/endpoint_*.c", "tui/figures.c", "tui/form.c", "tui/heat.c",
        "tui/keys.c", "tui/markdown.c", "tui/message_*", "tui/pane_*", "tui/spark.c",
        "tui/surface.c", "tui/table.c", "tui/text.c", "tui/view*", "tui/vtin.c"};
static const char *const impure[] = {"<dirent.h>", "<fcntl.h>", "<poll.h>", "<pthread.h>",
        "<signal.h>", "<sys/*>", "<unistd.h>", "clock_now_ns", "clock_unix_ms", "dir_make",
        "file_read", "file_write", "fopen", "time", "attachments_read", "file_choices_read",
        "app_look_for_models"};
/* Of them what reads the files that a message names, and what looks for models (view.h offers
 * it). */
static const char *const not_pure[] = {"tui/chat_next.c", "tui/view.h", "tui/view_chat_draw.c",
        "tui/view_chat_send.c", "tui/view_models.c"};

static const struct {
    const char *rejected, *instead;
} words[] = {
        {"srv", "endpoint"},
        {"conversation", "session"},
        {"dialog", "session"},
        {"panel", "pane"},
        {"colour", "color"},
        {"tmo", "timeout"},
        {"cnt", "n_x"},
        {"idx", "i_x"},
        {"mgr", "a name for what it does"},
        {"manager", "a name for what it does"},
        {"util", "a name for what it does"},
        {"utils", "a name for what it does"},
};

static int n_faults;

/* All faults of a test are shown before it fails. */
static void PRINTF(3, 4) fault(const char *path, int line, const char *fmt, ...)
{
    va_list va;
    va_start(va, fmt);
    print_error(line ? "%s:%d: " : "%s: ", path, line);
    vprint_error(fmt, va);
    print_error("\n");
    va_end(va);
    n_faults++;
}

static void expect_no_fault(void)
{
    int n = n_faults;
    n_faults = 0;
    if (n)
        fail_msg("%d faults", n);
}

/* ---- rules ------------------------------------------------------------------------------ */

/* True when some row is about `what`. */
static bool is_ruled(const struct rule *rules, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++)
        if (fnmatch(rules[i].what, what, 0) == 0)
            return true;
    return false;
}

static bool is_allowed(struct rule *rules, size_t n, const char *who, const char *what)
{
    for (size_t i = 0; i < n; i++)
        if (fnmatch(rules[i].who, who, 0) == 0 && fnmatch(rules[i].what, what, 0) == 0)
            return rules[i].is_used = true;
    return false;
}

static void expect_all_used(const struct rule *rules, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!rules[i].is_used)
            fault("tests/test_tree.c", 0, "nothing needs the row {\"%s\", \"%s\"}",
                    rules[i].who, rules[i].what);
}

static bool is_pure(const char *path)
{
    return source_matches_any(pure_files, ARRAY_LEN(pure_files), path) &&
           !source_matches_any(not_pure, ARRAY_LEN(not_pure), path);
}

static void check_include(const char *path, int number, const char *name)
{
    if (!is_allowed(may_include, ARRAY_LEN(may_include), path, name))
        fault(path, number, "may not include %s: no row of may_include allows it", name);
    if (is_ruled(may_look_inside, ARRAY_LEN(may_look_inside), name) &&
            !is_allowed(may_look_inside, ARRAY_LEN(may_look_inside), path, name))
        fault(path, number, "%s is not for this file", name);
    if (is_pure(path) && source_matches_any(impure, ARRAY_LEN(impure), name))
        fault(path, number, "%s in a file that is a function of its arguments", name);
}

static void every_include_is_allowed_by_a_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_source_files; i++) {
        struct slice rest = slice_of(source_files[i].code), line, name;
        for (int number = 0; source_next_line(&rest, &line, &number);)
            if ((name = source_included(line)).n > 0) {
                char text[128];
                snprintf(text, sizeof text, "%.*s", (int)name.n, name.ptr);
                check_include(source_files[i].path, number, text);
            }
    }
    expect_all_used(may_include, ARRAY_LEN(may_include));
    expect_all_used(may_look_inside, ARRAY_LEN(may_look_inside));
    expect_no_fault();
}

/* ---- chains ----------------------------------------------------------------------------- */

#define CHAIN_MAX    3               /* headers, from a .c file down */
#define CHAIN_ENDS   "engine/base.h" /* all share it, it counts as none */
#define CHAIN_CIRCLE 20

static const struct source_file *find_file(struct slice path)
{
    for (size_t i = 0; i < n_source_files; i++)
        if (slice_eq(path, source_files[i].path))
            return &source_files[i];
    return NULL;
}

/* The longest chain of headers below the file; `path` gets their names. */
static int chain_below(const struct source_file *file, int depth, struct buf *path)
{
    struct slice rest = buf_slice(&file->text), line;
    int number = 0, longest = 0;
    while (depth < CHAIN_CIRCLE && source_next_line(&rest, &line, &number)) {
        struct slice header = source_included(line);
        const struct source_file *next = find_file(header);
        bool counts = next && header.ptr[header.n - 1] == 'h' && !slice_eq(header, CHAIN_ENDS);
        struct buf below;
        buf_init(&below, 1 << 16);
        int n = counts ? 1 + chain_below(next, depth + 1, &below) : 0;
        if (n > longest) {
            buf_clear(path);
            buf_printf(path, " > %s%s", next->path, buf_text(&below));
            longest = n;
        }
        buf_release(&below);
    }
    return longest;
}

static void no_chain_of_includes_is_longer_than_three(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_source_files; i++) {
        const struct source_file *file = &source_files[i];
        struct buf path;
        buf_init(&path, 1 << 16);
        bool is_source = file->code && file->path[strlen(file->path) - 1] == 'c';
        int n = is_source ? chain_below(file, 0, &path) : 0;
        if (n > CHAIN_MAX)
            fault(file->path, 1, "a chain of %d headers%s", n, buf_text(&path));
        buf_release(&path);
    }
    expect_no_fault();
}

/* ---- words and calls -------------------------------------------------------------------- */

/* A call or a definition of this name, not a member of a struct. */
static bool is_called(const char *code, struct slice word, struct slice after)
{
    bool is_member = word.ptr > code && (word.ptr[-1] == '.' || word.ptr[-1] == '>');
    return !is_member && slice_has_prefix(slice_trim(after), "(");
}

static void check_call(const char *path, int number, const char *name)
{
    if (source_matches_any(nobody_calls, ARRAY_LEN(nobody_calls), name))
        fault(path, number, "calls %s, which nobody does", name);
    if (is_ruled(may_call, ARRAY_LEN(may_call), name) &&
            !is_allowed(may_call, ARRAY_LEN(may_call), path, name))
        fault(path, number, "may not call %s", name);
    if (is_pure(path) && source_matches_any(impure, ARRAY_LEN(impure), name))
        fault(path, number, "calls %s in a file that is a function of its arguments", name);
}

static void banned_calls_are_made_by_their_owners_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_source_files; i++) {
        struct slice rest = slice_of(source_files[i].code), line, word;
        for (int number = 0; source_next_line(&rest, &line, &number);)
            while (source_next_word(&line, &word))
                if (is_called(source_files[i].code, word, line)) {
                    char name[128];
                    snprintf(name, sizeof name, "%.*s", (int)word.n, word.ptr);
                    check_call(source_files[i].path, number, name);
                }
    }
    expect_all_used(may_call, ARRAY_LEN(may_call));
    expect_no_fault();
}

/* Words are the parts of an identifier between its underscores, in any case. */
static void check_identifier(const char *path, int number, struct slice identifier)
{
    while (identifier.ptr) {
        struct slice part = slice_cut(&identifier, '_');
        for (size_t i = 0; i < ARRAY_LEN(words); i++)
            if (part.n == strlen(words[i].rejected) &&
                    strncasecmp(part.ptr, words[i].rejected, part.n) == 0)
                fault(path, number, "\"%s\" in a name: here it is %s", words[i].rejected,
                        words[i].instead);
    }
}

static void one_idea_has_one_word(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_source_files; i++) {
        struct slice rest = slice_of(source_files[i].code), line, word;
        for (int number = 0; source_next_line(&rest, &line, &number);)
            while (source_next_word(&line, &word))
                check_identifier(source_files[i].path, number, word);
    }
    expect_no_fault();
}

/* ---- declarations in .c files ---------------------------------------------------- */

/* Belongs into a header: the prototype of a function, or a variable of another file. */
static bool is_foreign(struct slice declaration)
{
    declaration = slice_trim(declaration);
    if (slice_has_prefix(declaration, "extern "))
        return true;
    return !slice_has_prefix(declaration, "static ") &&
           !slice_has_prefix(declaration, "typedef ") &&
           !slice_has_prefix(declaration, "_Static_assert") && declaration.n > 0 &&
           memchr(declaration.ptr, '(', declaration.n) &&
           !memchr(declaration.ptr, '=', declaration.n);
}

/* Looks at all that stands outside of braces and ends with a semicolon. */
static void check_declarations(const char *path, const char *code)
{
    const char *start = code;
    int depth = 0, number = 1;
    for (const char *p = code; *p; p++) {
        number += *p == '\n';
        depth += (*p == '{') - (*p == '}');
        if (depth == 0 && *p == ';' && is_foreign((struct slice){start, (size_t)(p - start)}))
            fault(path, number, "a declaration of another module: include its header");
        if (depth == 0 && (*p == ';' || *p == '}'))
            start = p + 1;
    }
}

static void no_c_file_declares_for_another(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_source_files; i++)
        if (source_files[i].code && fnmatch("*.c", source_files[i].path, 0) == 0) {
            char *code = mem_strdup(source_files[i].code);
            source_drop_directives(code);
            check_declarations(source_files[i].path, code);
            mem_free(code);
        }
    expect_no_fault();
}

/* ---- texts ------------------------------------------------------------------------------ */

/* The words and paths to look for have to stand somewhere. */
static bool is_this_file(const char *path)
{
    return strcmp(path, "tests/test_tree.c") == 0;
}

static void no_work_is_left_for_later(void **state)
{
    (void)state;
    static const char *const marks[] = {"TODO", "FIXME", "XXX"};
    for (size_t i = 0; i < n_source_files; i++) {
        const char *path = source_files[i].path;
        if (is_this_file(path) || fnmatch("tests/golden/*", path, 0) == 0)
            continue;
        struct slice rest = buf_slice(&source_files[i].text), line, word;
        for (int number = 0; source_next_line(&rest, &line, &number);)
            while (source_next_word(&line, &word))
                for (size_t k = 0; k < ARRAY_LEN(marks); k++)
                    if (slice_eq(word, marks[k]))
                        fault(path, number, "%s: do it, or leave it out", marks[k]);
    }
    expect_no_fault();
}

/* The path begins here: it is not the middle of a relative one or of an address. */
static bool starts_path(struct slice line, const char *at)
{
    return at == line.ptr || !(source_is_word(at[-1]) || strchr(".~-})/", at[-1]));
}

static void check_places(const char *path, int number, struct slice line)
{
    static const char *const places[] = {"/home/", "/root/", "/work/", "/Users/"};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        const char *at = memmem(line.ptr, line.n, places[i], strlen(places[i]));
        if (at && starts_path(line, at))
            fault(path, number, "names a directory of somebody's machine");
    }
}

static void no_file_names_a_developers_machine(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_source_files; i++) {
        if (is_this_file(source_files[i].path))
            continue;
        struct slice rest = buf_slice(&source_files[i].text), line;
        for (int number = 0; source_next_line(&rest, &line, &number);)
            check_places(source_files[i].path, number, line);
    }
    expect_no_fault();
}

/* ---- global variables ------------------------------------------------------------------- */

static const char globals_path[] = SOURCE_DIR "/tests/globals.txt";

struct names {
    char text[256][96]; /* "tui/app_signals.c signal_fd" */
    bool is_found[256];
    size_t n;
};

static void add_name(struct names *names, const char *text)
{
    assert_true(names->n < ARRAY_LEN(names->text));
    snprintf(names->text[names->n++], sizeof names->text[0], "%s", text);
}

static bool find_name(struct names *names, const char *text)
{
    for (size_t i = 0; i < names->n; i++)
        if (strcmp(names->text[i], text) == 0)
            return names->is_found[i] = true;
    return false;
}

static void read_globals(struct names *names)
{
    struct buf text;
    struct err err;
    if (file_read(&text, globals_path, 1u << 16, &err) != OK)
        fail_msg("%s", err.text);
    struct slice rest = buf_slice(&text), line;
    for (int number = 0; source_next_line(&rest, &line, &number);) {
        struct slice reason = line, name = slice_trim(slice_cut(&reason, '#'));
        if (name.n == 0)
            continue;
        if (slice_trim(reason).n == 0)
            fault("tests/globals.txt", number, "no reason after #");
        char entry[96];
        snprintf(entry, sizeof entry, "%.*s", (int)name.n, name.ptr);
        add_name(names, entry);
    }
    buf_release(&text);
}

/* Of the compiler and its sanitizers. */
static bool is_reserved(struct slice name)
{
    return slice_has_prefix(name, "__") || slice_has_prefix(name, ".") ||
           slice_has_prefix(name, "_GLOBAL_");
}

/*
 * Gives "tui/text.c name" for a variable that can be written, from a line of `nm -A -f sysv`:
 *     libshunt_tui.a:text.c.o:name.0 |value| class |type|size|line|section
 * Constants with addresses in them lie in .data.rel.ro, which the loader closes.
 */
static bool writable_name(const char *layer, struct slice line, char out[96])
{
    struct slice place = slice_trim(slice_cut(&line, '|'));
    slice_cut(&line, '|');
    struct slice class = slice_trim(slice_cut(&line, '|'));
    for (int i = 0; i < 3; i++)
        slice_cut(&line, '|');
    struct slice section = slice_trim(line);
    if (class.n != 1 || !strchr("bBcCdDgGsS", class.ptr[0]) ||
            slice_has_prefix(section, ".data.rel.ro"))
        return false;
    const char *object = memmem(place.ptr, place.n, ".a:", 3);
    assert_non_null(object);
    struct slice name = {object + 3, (size_t)(place.ptr + place.n - object - 3)};
    struct slice unit = slice_cut(&name, ':');
    if (is_reserved(name))
        return false;
    name = slice_cut(&name, '.'); /* a static inside a function has a number */
    snprintf(
            out, 96, "%s/%.*s %.*s", layer, (int)(unit.n - 2), unit.ptr, (int)name.n, name.ptr);
    return true;
}

static size_t check_library(const char *layer, struct names *known)
{
    char command[1024], line[1024], name[96];
    size_t n_lines = 0;
    snprintf(command, sizeof command, "nm -A -f sysv '%s/libshunt_%s.a'", SHUNT_LIB_DIR, layer);
    FILE *symbols = popen(command, "r");
    assert_non_null(symbols);
    while (fgets(line, sizeof line, symbols)) {
        n_lines += strchr(line, '|') != NULL;
        if (writable_name(layer, slice_of(line), name) && !find_name(known, name))
            fault(name, 0, "outlives a call and is not in tests/globals.txt");
    }
    assert_int_equal(pclose(symbols), 0);
    return n_lines;
}

static void every_writable_global_is_listed_with_a_reason(void **state)
{
    (void)state;
    static const char *const layers[] = {"kernels", "engine", "router", "tui"};
    if (system("nm --version >/dev/null 2>&1") != 0)
        skip();
    struct names known = {.n = 0};
    read_globals(&known);
    for (size_t i = 0; i < ARRAY_LEN(layers); i++)
        assert_true(check_library(layers[i], &known) > 0);
    for (size_t i = 0; i < known.n; i++)
        if (!known.is_found[i])
            fault("tests/globals.txt", 0, "\"%s\" is no longer there", known.text[i]);
    expect_no_fault();
}

/* ---- the test itself -------------------------------------------------------------------- */

static bool matches_a_file(const char *pattern)
{
    for (size_t i = 0; i < n_source_files; i++)
        if (fnmatch(pattern, source_files[i].path, 0) == 0)
            return true;
    return false;
}

static void every_pure_file_exists(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pure_files); i++)
        if (!matches_a_file(pure_files[i]))
            fault("tests/test_tree.c", 0, "no file is %s", pure_files[i]);
    expect_no_fault();
}

static void the_walk_sees_code_and_not_comments(void **state)
{
    (void)state;
    size_t n_sources = 0;
    for (size_t i = 0; i < n_source_files; i++)
        n_sources += source_files[i].code != NULL;
    assert_true(n_sources > 50);
    char *code =
            source_code_of("#include \"a.h\"\nf(\"b\\\"/*\"); /* c\n*/ g('\"'); // d\nh();");
    assert_string_equal(code, "#include \"a.h\"\nf(\"     \");     \n   g(' ');     \nh();");
    mem_free(code);
}

static int set_up(void **state)
{
    (void)state;
    source_read_all();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    source_free_all();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(the_walk_sees_code_and_not_comments),
            cmocka_unit_test(every_pure_file_exists),
            cmocka_unit_test(every_include_is_allowed_by_a_row),
            cmocka_unit_test(no_chain_of_includes_is_longer_than_three),
            cmocka_unit_test(banned_calls_are_made_by_their_owners_only),
            cmocka_unit_test(one_idea_has_one_word),
            cmocka_unit_test(no_c_file_declares_for_another),
            cmocka_unit_test(no_work_is_left_for_later),
            cmocka_unit_test(no_file_names_a_developers_machine),
            cmocka_unit_test(every_writable_global_is_listed_with_a_reason),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
