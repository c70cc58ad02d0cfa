/* sites.cpp - see sites.h. */
#include "sites.h"

#ifdef GKEMU_CHECK

#include <dlfcn.h>
#include <link.h>
#include <map>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

namespace gkemu {

/* ---- instructions as lines ---------------------------------------------------------- */

struct range {
    uintptr_t start, end;
};

/* This program or library; read at exit, so it is not destroyed before. */
static struct image {
    range all;
    std::vector<range> constant;
    std::string path;
} &image = *new struct image();

static bool is_in(range r, uintptr_t address)
{
    return address >= r.start && address < r.end;
}

/* Read only from the start, or once the loader has filled in its addresses. */
static bool is_constant(const ElfW(Phdr) & segment)
{
    return segment.p_type == PT_GNU_RELRO ||
           (segment.p_type == PT_LOAD && !(segment.p_flags & PF_W));
}

static int note_image(struct dl_phdr_info *info, size_t, void *)
{
    range all = {UINTPTR_MAX, 0};
    std::vector<range> constant;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) &segment = info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + segment.p_vaddr;
        range here = {start, start + segment.p_memsz};
        if (is_constant(segment))
            constant.push_back(here);
        if (segment.p_type == PT_LOAD)
            all = {min(all.start, here.start), max(all.end, here.end)};
    }
    if (!is_in(all, (uintptr_t)(void *)&note_image))
        return 0;
    char program[4096] = "";
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    image.path = info->dlpi_name[0] ? info->dlpi_name : n > 0 ? program : "this program";
    image.all = all;
    image.constant = constant;
    return 1;
}

static const bool image_is_known __attribute__((unused)) = dl_iterate_phdr(note_image, nullptr);

bool site_is_constant(uintptr_t address)
{
    for (const range &r : image.constant)
        if (is_in(r, address))
            return true;
    return false;
}

site site_of_call(const void *return_address)
{
    return (site)((uintptr_t)return_address - 1 - image.all.start);
}

/* The innermost line that is a kernel's own, not the emulator's that it calls. */
static std::string look_up(site at)
{
    char line[4096], offset[32];
    snprintf(offset, sizeof offset, "%#x", at);
    std::string command = "addr2line -i -e '" + image.path + "' " + offset + " 2>/dev/null";
    std::string text;
    FILE *out = popen(command.c_str(), "r");
    while (out && fgets(line, sizeof line, out)) {
        line[strcspn(line, " \n")] = '\0';
        text = place_file(place{line, 0});
        if (text.find("cudaemu/cudaemu") != 0)
            break;
    }
    if (out)
        pclose(out);
    bool is_known = !text.empty() && text[0] != '?';
    return is_known ? text : std::string(offset) + " of " + image.path;
}

/* Places that were told, behind all instructions. */
static const site first_told = 1u << 31;
static std::vector<place> &told = *new std::vector<place>(); /* read at exit */

site site_of_place(place at)
{
    for (size_t i = 0; i < told.size(); i++)
        if (told[i].line == at.line && told[i].file == at.file)
            return first_told + (site)i;
    told.push_back(at);
    return first_told + (site)told.size() - 1;
}

std::string site_text(site at)
{
    static std::map<site, std::string> known;
    if (at >= first_told)
        return place_file(told[at - first_told]) +
               (":" + std::to_string(told[at - first_told].line));
    auto found = known.find(at);
    if (found != known.end())
        return found->second;
    return known[at] = look_up(at);
}

} // namespace gkemu

#endif
