// The smallest harness that will do: tests are functions that register themselves, and a check that
// fails says where and goes on.
//
//   TEST(NumbersAreDense) { CHECK(table.size() == 3); }

#ifndef NLOG_TESTS_CORE_CHECK_H_
#define NLOG_TESTS_CORE_CHECK_H_

#include <cstdio>
#include <vector>

namespace nlog::core::test {

struct Test {
  const char* name;
  void (*body)();
};

inline std::vector<Test>& Tests() {
  static std::vector<Test> tests;
  return tests;
}

// The number of failed checks so far.
inline int& Failures() {
  static int failures = 0;
  return failures;
}

struct Registration {
  Registration(const char* name, void (*body)()) { Tests().push_back({name, body}); }
};

inline void Check(bool condition, const char* text, const char* file, int line) {
  if (!condition) {
    std::fprintf(stderr, "%s:%d: not so: %s\n", file, line, text);
    ++Failures();
  }
}

// Runs all tests; the exit code of the program.
inline int RunAll() {
  int failed = 0;
  for (const Test& test : Tests()) {
    const int failures_before = Failures();
    test.body();
    if (Failures() > failures_before) {
      std::fprintf(stderr, "FAILED %s\n", test.name);
      ++failed;
    }
  }
  std::printf("%zu passed, %d failed\n", Tests().size() - static_cast<std::size_t>(failed), failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace nlog::core::test

#define CHECK(condition) ::nlog::core::test::Check((condition), #condition, __FILE__, __LINE__)

#define TEST(name)                                                                \
  static void name();                                                             \
  static const ::nlog::core::test::Registration name##_registration(#name, name); \
  static void name()

#endif  // NLOG_TESTS_CORE_CHECK_H_
