// Runs the C++ tests of the core; see check.h.

#include "check.h"

int main() { return nlog::core::test::RunAll(); }
