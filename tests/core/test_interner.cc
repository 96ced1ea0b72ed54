// The interner against a map, with sequences short and alike, and some longer than a block.

#include <map>
#include <random>
#include <string>
#include <vector>

#include "check.h"
#include "nlog/engine/core/interner.h"

namespace nlog::core {
namespace {

TEST(EqualTextsHaveEqualNumbers) {
  Interner interner;
  std::mt19937 random(2);
  std::map<std::string, Word> model;
  for (int step = 0; step < 5000; ++step) {
    std::string text(random() % 12, 'a');
    for (char& character : text) {
      character = static_cast<char>(random() % 2 == 0 ? 'a' : '\0');
    }
    const auto known = model.find(text);
    const std::optional<Word> found = interner.FindText(text);
    CHECK(found.has_value() == (known != model.end()));
    const Word number = interner.InternText(text);
    CHECK(model.emplace(text, number).first->second == number);
    CHECK(!found || *found == number);
  }
  for (const auto& [text, number] : model) {
    CHECK(interner.Text(number) == text);
  }
}

TEST(EqualTuplesHaveEqualNumbers) {
  Interner interner;
  std::mt19937 random(3);
  std::map<std::vector<Word>, Word> model;
  for (int step = 0; step < 5000; ++step) {
    std::vector<Word> words(random() % 6);
    for (Word& word : words) {
      word = random() % 3;
    }
    const Word number = interner.InternTuple(words);
    CHECK(model.emplace(words, number).first->second == number);
    CHECK(interner.FindTuple(words) == number);
  }
  CHECK(!interner.FindTuple(std::vector<Word>{8}));
  for (const auto& [words, number] : model) {
    const std::span<const Word> view = interner.Tuple(number);
    CHECK(std::vector<Word>(view.begin(), view.end()) == words);
  }
}

TEST(TypesWithoutPartsHaveOneNumberEverywhere) {
  Interner interner;
  for (Word kind = 0; kind < 8; ++kind) {
    CHECK(interner.InternTuple({&kind, 1}) == kind);
  }
}

TEST(AFullInternerKnowsWhatItHas) {
  Interner interner({.values = 9, .elements = 5});
  const auto is_full = [&](auto intern) {
    try {
      intern();
    } catch (const CapacityError&) {
      return true;
    }
    return false;
  };
  CHECK(!is_full([&] { interner.InternTuple(std::vector<Word>{1, 2}); }));
  CHECK(is_full([&] { interner.InternTuple(std::vector<Word>{1, 3}); }));
  CHECK(interner.InternTuple(std::vector<Word>{1, 2}) == 8);
  CHECK(is_full([&] { interner.InternText("abcdef"); }));
  CHECK(!is_full([&] { interner.InternText("abcde"); }));
  CHECK(interner.FindText("abcde") == 0);
  CHECK(!interner.FindText("abcdef"));
}

TEST(LongTextsDoNotMove) {
  Interner interner;
  const std::string text(1 << 20, 'x');
  const Word number = interner.InternText(text);
  const char* const place = interner.Text(number).data();
  for (int i = 0; i < 20000; ++i) {
    interner.InternText("text " + std::to_string(i));
  }
  CHECK(interner.Text(number).data() == place);
  CHECK(interner.Text(number) == text);
  CHECK(interner.Text(interner.InternText("")).empty());
}

}  // namespace
}  // namespace nlog::core
