/*
 * test_features.c - what is known of a request before it is sent: the lexicon's order and
 * reach, language, subject, form, the length of the answer, what the request's other members
 * ask for, and that this is quick.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/request.h"

#include "router/question.h"

#include "tests/helper_clock.h"

static struct features features(const char *text)
{
    struct chat_message m = {MSG_USER, slice_of(text)};
    return features_of(&m, 1, SLICE(""));
}

static const struct {
    const char *text;
    enum cue cue;
} lexicon[] = {
#define LEX(text, cue, domain, languages) {text, CUE_##cue},
#include "router/lexicon.def"
#undef LEX
};

/* The search needs the order; a row that no text can reach is dead. */
static void every_row_of_the_lexicon_is_found(void **state)
{
    (void)state;
    static struct question q;
    for (size_t i = 0; i < ARRAY_LEN(lexicon); i++) {
        if (i && strcmp(lexicon[i - 1].text, lexicon[i].text) >= 0)
            fail_msg("\"%s\" has to stand before \"%s\"", lexicon[i].text, lexicon[i - 1].text);
        question_read(&q, slice_of(lexicon[i].text));
        if (q.n_cues[lexicon[i].cue] == 0)
            fail_msg("\"%s\" is not found", lexicon[i].text);
    }
}

static void the_language_is_that_of_the_newest_question(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"en", "What is the capital of Norway?"},
            {"en", "Please write a letter to my bank."}, {"en", "hello"},
            {"de", "Wie heißt die Hauptstadt von Norwegen?"}, {"de", "Danke, das war gut!"},
            {"fr", "Quelle est la capitale de la Norvège ?"},
            {"fr", "Bonjour, je voudrais une table pour deux."},
            {"es", "¿Cuál es la capital de Noruega?"},
            {"es", "Escribe una carta para mi banco."},
            {"it", "Qual è la capitale della Norvegia?"},
            {"it", "Scrivi una lettera alla mia banca, per favore."},
            {"pt", "Qual é a capital da Noruega?"}, {"pt", "Não sei o que fazer com isto."},
            {"nl", "Wat is de hoofdstad van Noorwegen?"},
            {"nl", "Schrijf een brief voor mijn bank."}, {"ru", "Какая столица Норвегии?"},
            {"uk", "Яка столиця Норвегії і чому її обрали?"},
            {"el", "Ποια είναι η πρωτεύουσα;"}, {"zh", "挪威的首都是哪里？"},
            {"ja", "ノルウェーの首都はどこですか。"}, {"ko", "노르웨이의 수도는 어디입니까?"},
            {"ar", "ما هي عاصمة النرويج؟"}, {"he", "מהי בירת נורווגיה?"},
            {"hi", "नॉर्वे की राजधानी क्या है?"}, {"th", "เมืองหลวงของนอร์เวย์คืออะไร"}, {"", ""},
            {"", "xqz 17"}, {"", "\xFF\xFE\x80"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (strcmp(features(cases[i][1]).language, cases[i][0]) != 0)
            fail_msg("\"%s\" in place of \"%s\": %s", features(cases[i][1]).language,
                    cases[i][0], cases[i][1]);
    struct chat_message two[] = {{MSG_USER, SLICE("What is the capital of Norway?")},
            {MSG_ASSISTANT, SLICE("The capital is Oslo.")},
            {MSG_USER, SLICE("Und wie heißt die von Schweden?")}, {MSG_ASSISTANT, SLICE("")}};
    assert_string_equal(features_of(two, 4, SLICE("")).language, "de");
}

static void the_subject_is_the_one_with_the_most_words(void **state)
{
    (void)state;
    static const struct {
        enum domain domain;
        const char *text;
    } cases[] = {{DOMAIN_GENERAL, "Who is the mayor of Oslo?"},
            {DOMAIN_CODE, "How do I sort an array in JavaScript?"},
            {DOMAIN_CODE, "What does this do?\n```\nx = [i for i in y]\n```"},
            {DOMAIN_MATH, "Prove that the equation has no integer solution modulo 7."},
            {DOMAIN_SCIENCE, "Why do plants need light for photosynthesis?"},
            {DOMAIN_WRITING, "Write a short poem and a headline for my blog."},
            {DOMAIN_GENERAL, ""}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (features(cases[i].text).domain != cases[i].domain)
            fail_msg("%s in place of %s: %s", domain_name(features(cases[i].text).domain),
                    domain_name(cases[i].domain), cases[i].text);
}

static void code_and_json_are_seen(void **state)
{
    (void)state;
    assert_true(features("Why?\nfor (i = 0; i < n; i++) {\n  f();\n}\n").has_code);
    assert_true(features("```c\nint x;\n```").has_code);
    assert_false(features("Is f(x) = x + 1 monotone; and why?").has_code);
    assert_true(features("List three rivers as JSON.").wants_json);
    assert_true(features("Return valid JSON with two fields.").wants_json);
    assert_false(features("What is JSON used for?").wants_json);
    struct chat_message m = {MSG_USER, SLICE("Three rivers.")};
    assert_true(features_of(&m, 1, SLICE("\"response_format\":{\"type\":\"json_object\"}"))
                        .wants_json);
    assert_true(features_of(&m, 1, SLICE("\"tools\":[{}]")).needs_tools);
    assert_false(features_of(&m, 1, SLICE("\"user\":\"tools\"")).needs_tools);
}

static void the_answer_is_as_long_as_the_question_suggests(void **state)
{
    (void)state;
    uint32_t hello = features("Hello!").n_output_tok;
    uint32_t fact = features("Who wrote Faust?").n_output_tok;
    uint32_t design =
            features("Design a distributed queue and compare the trade-offs.").n_output_tok;
    assert_true(hello > 0 && hello < fact && fact * 3 < design);
    assert_in_range(features("Explain tides in 200 words.").n_output_tok, 200, 400);
    assert_in_range(features("Explain tides in two sentences.").n_output_tok, 30, 80);
    assert_true(features("Write 4000000000 pages about tides.").n_output_tok <= 4000);
    char text[2000] = "Translate this letter into French: ";
    uint32_t brief = features(text).n_output_tok;
    while (strlen(text) < 1900)
        strncat(text, "we met on the bridge ", sizeof text - strlen(text) - 1);
    assert_true(features(text).n_output_tok > brief + 300);
}

static void a_follow_up_is_about_as_hard_as_what_it_follows(void **state)
{
    (void)state;
    struct chat_message m[] = {{MSG_USER, SLICE("Prove the prime number theorem.")},
            {MSG_ASSISTANT, SLICE("...")}, {MSG_USER, SLICE("And why?")}};
    assert_true(features("And why?").difficulty < 0.5f);
    assert_true(features_of(m, 3, SLICE("")).difficulty >= 0.5f);
    m[2].text = SLICE("Thanks!");
    assert_true(features_of(m, 3, SLICE("")).difficulty < 0.5f);
    m[2].text = SLICE("What is the capital of Norway?");
    assert_true(features_of(m, 3, SLICE("")).difficulty < 0.5f);
}

static void without_a_question_there_is_nothing_to_know(void **state)
{
    (void)state;
    struct chat_message m = {MSG_SYSTEM, SLICE("Prove everything. Beweise alles.")};
    struct features none = features_of(NULL, 0, SLICE("")),
                    only_system = features_of(&m, 1, SLICE(""));
    assert_true(none.difficulty == only_system.difficulty && none.difficulty < 0.5f);
    assert_string_equal(only_system.language, "");
    assert_int_equal(none.only_endpoint, -1);
    assert_int_equal(none.max_zone, ZONE_EXTERNAL);
}

/* 20 us are the promise for the optimised build; sanitizers cost about ten times that. */
static void a_kilobyte_takes_microseconds(void **state)
{
    (void)state;
    char text[1025] = "";
    while (strlen(text) < 1000)
        strncat(text, "Compare the quick brown fox with 17 lazy dogs, please. ",
                sizeof text - strlen(text) - 1);
    uint64_t best_ns = UINT64_MAX;
    for (int i = 0; i < 200; i++) {
        uint64_t start_ns = clock_cpu_ns();
        struct features f = features(text);
        uint64_t ns = clock_cpu_ns() - start_ns;
        assert_true(f.n_input_tok > 100);
        best_ns = ns < best_ns ? ns : best_ns;
    }
    print_message("features of %zu bytes: %.1f us\n", strlen(text), (double)best_ns / 1000);
    assert_true(best_ns < 400000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_row_of_the_lexicon_is_found),
            cmocka_unit_test(the_language_is_that_of_the_newest_question),
            cmocka_unit_test(the_subject_is_the_one_with_the_most_words),
            cmocka_unit_test(code_and_json_are_seen),
            cmocka_unit_test(the_answer_is_as_long_as_the_question_suggests),
            cmocka_unit_test(a_follow_up_is_about_as_hard_as_what_it_follows),
            cmocka_unit_test(without_a_question_there_is_nothing_to_know),
            cmocka_unit_test(a_kilobyte_takes_microseconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
