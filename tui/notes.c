/* notes.c - see notes.h. */
#include "tui/notes.h"

#include <string.h>

#include "router/policy.h"

#include "tui/figures.h"

const struct note notes[] = {
        {CTX_EXPERTS, "colour, character",
                "How often an expert was chosen, as a multiple of an even share: 1 is as "
                "often as if every expert got the same number of tokens. The scale goes from "
                "0.5 to 16; what lies outside looks like its end."},
        {CTX_EXPERTS, "decayed",
                "All tokens count, prompt and answer; the weight of one halves every "
                "64 tokens."},
        {CTX_EXPERTS, "last token",
                "The experts chosen for the newest token. The colour is the weight of each, "
                "as a multiple of an even share among the chosen, from 0.25 to 8."},
        {CTX_EXPERTS, "cell",
                "Layers x experts in one cell of the map. It has the colour of the hottest."},
        {CTX_EXPERTS, "eff",
                "How many experts are really in use: exp of the entropy of the choices. All "
                "equally often: all experts. At a row of several layers: of the layer named."},
        {CTX_EXPERTS, "gini",
                "How unequal the choices are. 0: all experts equally often; near 1: a few "
                "get everything."},
        {CTX_EXPERTS, "weight", "How much of the layer's result a chosen expert contributes."},
        {CTX_EXPERTS, "margin",
                "The gap between the gate value of the last chosen expert and that of the "
                "first rejected one. Small: nearly another choice."},
        {CTX_EXPERTS, "hotter, colder",
                "The expert under the cursor was chosen more or less often than chance "
                "explains; at most 1 in 100 of these marks is wrong."},
        {CTX_EXPERTS, "never chosen",
                "Experts of a layer that no token of the balance went to."},
        {CTX_EXPERTS, "busiest 9 %",
                "The part of all choices that went to the most used 9 % of the experts."},
        {CTX_EXPERTS, "shared",
                "How many of the experts chosen for a token were chosen for the token before "
                "as well."},
        {CTX_EXPERTS, "(in brackets)",
                "What pure chance gives for the same number of tokens. A figure that is close "
                "to it says nothing about the model."},
        {CTX_FLEET, "\xE2\x97\x8F", "Ready."},
        {CTX_FLEET, "\xE2\x96\xB2",
                "Rate limited, or it failed and the next request tries it again."},
        {CTX_FLEET, "\xE2\x9C\x97",
                "It cannot answer, or its breaker is open after failures: nothing is sent until "
                "the time given."},
        {CTX_FLEET, "\xE2\x97\x90", "Drained: it ends what it answers and gets nothing new."},
        {CTX_FLEET, "\xE2\x97\x8B", "Disabled."},
        {CTX_FLEET, "ttft",
                "Time to the first token: the median and the 95th percentile of the newest 64 "
                "answers, and the newest of them as bars, the longest full."},
        {CTX_FLEET, "requests left",
                "What the provider says is left in its window, of tokens as well; in the table "
                "req left and tok left. Blank: it has not said."},
        {CTX_FLEET, "today", "Spent since midnight, by every shunt on this machine."},
        {CTX_ROUTER, "\xE2\x96\xB6, \xC2\xB7, \xE2\x9C\x97",
                "Chosen; could have taken the request; could not, with the reason."},
        {CTX_ROUTER, "difficulty",
                "How hard the question looks, from 0 to 1, by its words and length."},
        {CTX_ROUTER, "domain", "The subject, by the words of the question."},
        {CTX_ROUTER, "verdict",
                "send: it went out; wait: until somebody can take it; ask: you are asked first; "
                "refuse: nobody may take it."},
        {CTX_ROUTER, "takes", "How long the whole answer is expected to take."},
        {CTX_ROUTER, "price $",
                "What the provider asks for the prompt and an answer of usual length."},
        {CTX_ROUTER, "late $",
                "What waiting costs: each second beyond {patience} for the whole answer "
                "counts {second}."},
        {CTX_ROUTER, "fail $",
                "The chance that the attempt fails, times what a failed one costs: {failure}."},
        {CTX_ROUTER, "risk, risk $",
                "The chance that the answer is not good enough for a question of this "
                "difficulty, and that times what a right one is worth: {answer}."},
        {CTX_ROUTER, "sum $",
                "The expected cost. The least of those that may take the request wins."},
        {CTX_ROUTER, "?", "The price is not known and counts as the highest that is."},
        {CTX_ROUTER, "fallback",
                "The request had failed elsewhere before anything of the answer came."},
        {CTX_ROUTER, "failed",
                "The attempt brought nothing, and the request went on: to the fallback above."},
        {CTX_MODELS, "active",
                "Parameters that a token goes through, of a mixture of experts."},
        {CTX_MODELS, "KV cache",
                "Memory for the context that the endpoint is given; it fills as answers grow."},
        {CTX_MODELS, "free RAM",
                "What the system can give without swapping. The pages of loaded files count as "
                "free, since they can be read again."},
        {CTX_MODELS, "unloaded",
                "A loaded model stays until memory is short for another one: those that answer "
                "nothing leave then, the longest unused first."},
        {CTX_TOKENS, "probability",
                "How likely the token was, before temperature and other cuts of sampling."},
        {CTX_TOKENS, "entropy",
                "How open the choice was. 0 nats: only one token came in question; exp of it "
                "is the number of equally likely tokens that would be as open."},
        {CTX_TOKENS, "after", "Time since the token before."},
        {CTX_TOKENS, "experts",
                "Those of the pass that produced the token. The colour is the weight of each, "
                "as a multiple of an even share among the chosen, from 0.25 to 8."},
        {CTX_TOKENS, "gate margin",
                "The gap between the gate value of the last chosen expert and that of the "
                "first rejected one. Small: nearly another choice."},
        {CTX_TOKENS, "#123", "A token of the vocabulary whose model is not loaded."},
};
const size_t n_notes = ARRAY_LEN(notes);

void note_print(const struct note *note, struct buf *out)
{
    const struct prefs prefs = policy_prefs();
    char patience[FIGURE_BYTES], second[FIGURE_BYTES], failure[FIGURE_BYTES],
            answer[FIGURE_BYTES];
    const struct {
        const char *mark, *text;
    } numbers[] = {{"{patience}", figure_seconds(patience, prefs.patience_ms)},
            {"{second}", figure_dollars(second, prefs.late_nusd_per_s)},
            {"{failure}", figure_dollars(failure, prefs.failure_nusd)},
            {"{answer}", figure_dollars(answer, prefs.answer_nusd)}};
    for (const char *at = note->text; *at;) {
        size_t k = 0;
        while (k < ARRAY_LEN(numbers) && !slice_has_prefix(slice_of(at), numbers[k].mark))
            k++;
        buf_add_text(out, k < ARRAY_LEN(numbers) ? numbers[k].text : (char[]){*at, '\0'});
        at += k < ARRAY_LEN(numbers) ? strlen(numbers[k].mark) : 1;
    }
}
