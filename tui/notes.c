/* notes.c - see notes.h. */
#include "tui/notes.h"

const struct note notes[] = {
        {CTX_EXPERTS, "colour, character",
                "How often an expert was chosen, as a multiple of an even share: 1 is as often "
                "as "
                "if every expert got the same number of tokens. The scale goes from \xC2\xBD "
                "to "
                "16; what lies outside looks like its end."},
        {CTX_EXPERTS, "decayed",
                "All tokens count, prompt and answer; the weight of one halves every 64 "
                "tokens."},
        {CTX_EXPERTS, "last token",
                "The experts chosen for the newest token. The colour is the weight of each, as "
                "a "
                "multiple of an even share among the chosen, from \xC2\xBC to 8."},
        {CTX_EXPERTS, "cell",
                "Layers x experts in one cell of the map. It has the colour of the hottest."},
        {CTX_EXPERTS, "eff",
                "How many experts are really in use: exp of the entropy of the choices. All "
                "equally often: all experts. At a row of several layers: of the layer named."},
        {CTX_EXPERTS, "gini",
                "How unequal the choices are. 0: all experts equally often; near 1: a few get "
                "everything."},
        {CTX_EXPERTS, "weight", "How much of the layer's result a chosen expert contributes."},
        {CTX_EXPERTS, "margin",
                "The gap between the gate value of the last chosen expert and that of the "
                "first "
                "rejected one. Small: nearly another choice."},
        {CTX_EXPERTS, "hotter, colder",
                "The expert under the cursor was chosen more or less often than chance "
                "explains; "
                "at most 1 in 100 of these marks is wrong."},
        {CTX_EXPERTS, "never chosen",
                "Experts of a layer that no token of the balance went to."},
        {CTX_EXPERTS, "busiest 9 %",
                "The part of all choices that went to the most used 9 % of the experts."},
        {CTX_EXPERTS, "shared",
                "How many of the experts chosen for a token were chosen for the token before "
                "as "
                "well."},
        {CTX_EXPERTS, "(in brackets)",
                "What pure chance gives for the same number of tokens. A figure that is close "
                "to "
                "it says nothing about the model."},
        {CTX_TOKENS, "probability",
                "How likely the token was, before temperature and other cuts of sampling."},
        {CTX_TOKENS, "entropy",
                "How open the choice was. 0 nats: only one token came in question; exp of it "
                "is "
                "the number of equally likely tokens that would be as open."},
        {CTX_TOKENS, "after", "Time since the token before."},
        {CTX_TOKENS, "experts",
                "Those of the pass that produced the token. The colour is the weight of each, "
                "as "
                "a multiple of an even share among the chosen, from \xC2\xBC to 8."},
        {CTX_TOKENS, "gate margin",
                "The gap between the gate value of the last chosen expert and that of the "
                "first "
                "rejected one. Small: nearly another choice."},
        {CTX_TOKENS, "#123", "A token of the vocabulary whose model is not loaded."},
};
const size_t n_notes = ARRAY_LEN(notes);
