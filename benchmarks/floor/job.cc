// Reading jobs and writing answers; see job.h.

#include "benchmarks/floor/job.h"

#include <cinttypes>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

namespace floor_ {
namespace {

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "floor: %s\n", what.c_str());
  std::exit(1);
}

Facts read_facts(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail("cannot read " + path);
  Facts facts;
  uint32_t columns = 0;
  while (file.read(reinterpret_cast<char*>(&columns), sizeof columns)) {
    uint64_t rows = 0;
    file.read(reinterpret_cast<char*>(&rows), sizeof rows);
    FactTable& table = facts.emplace_back();
    table.columns = columns;
    table.values.resize(rows * columns);
    file.read(reinterpret_cast<char*>(table.values.data()),
              static_cast<std::streamsize>(table.values.size() * sizeof(uint32_t)));
    if (!file) fail(path + " ends inside a table");
  }
  return facts;
}

std::vector<Commit> read_script(const std::string& path) {
  std::ifstream file(path);
  if (!file) fail("cannot read " + path);
  std::vector<Commit> script;
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string word;
    words >> word;
    if (word == "commit") {
      words >> script.emplace_back().kind;
      continue;
    }
    if ((word != "+" && word != "-") || script.empty()) fail("no change: " + line);
    Change change{0, word == "+" ? 1 : -1, {}};
    words >> change.table;
    for (size_t at = 0; words >> change.row[at]; ++at) {
      if (at + 1 == change.row.size()) break;
    }
    script.back().changes.push_back(change);
  }
  return script;
}

}  // namespace

Job read_job(int count, char** arguments) {
  if (count < 4) fail("WORKLOAD FACTS SCRIPT [sums|each]");
  Job job;
  job.workload = arguments[1];
  job.facts = read_facts(arguments[2]);
  job.script = read_script(arguments[3]);
  const std::string mode = count > 4 ? arguments[4] : "";
  job.sums = mode == "sums" || mode == "each";
  job.each = mode == "each";
  return job;
}

size_t bytes_max() {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with("VmHWM:")) return std::strtoull(line.c_str() + 6, nullptr, 10) * 1024;
  }
  fail("/proc/self/status has no VmHWM");
}

void Tables::add(const char* name, size_t rows, uint64_t sum) {
  char text[200];
  std::snprintf(text, sizeof text, "%s\"%s\": {\"rows\": %zu, \"sum\": \"%016" PRIx64 "\"}",
                json_.empty() ? "" : ", ", name, rows, sum);
  json_ += text;
}

uint64_t Tables::row_sum(const uint32_t* row, size_t columns) {
  uint64_t hash = columns;
  for (size_t at = 0; at < columns; ++at) {
    hash = (hash ^ row[at]) * 0xFF51AFD7ED558CCDu;
    hash ^= hash >> 32;
  }
  return hash;
}

}  // namespace floor_
