// SPDX-License-Identifier: Apache-2.0
import { seedTest } from './testing/seed-test.ts';

seedTest(2501, 2_500);
