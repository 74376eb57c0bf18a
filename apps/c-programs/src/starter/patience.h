// SPDX-License-Identifier: Apache-2.0
// How long a starter waits for others. `compile.sh --hurried` gives tests one that waits less.
#ifndef BUREAU_STARTER_PATIENCE_H
#define BUREAU_STARTER_PATIENCE_H

#ifndef START_MILLISECONDS
// From bubblewrap's start to its first process: it takes 10 ms; a machine under load gets 1,000 times that.
#define START_MILLISECONDS 10000
// From there to "go": the launcher has its own, shorter limits.
#define GO_MILLISECONDS 60000
// From "go" to a relay that nobody has asked for yet: the launcher lets it wait for 2 s at most.
#define RUN_MILLISECONDS 5000
#endif

#endif
