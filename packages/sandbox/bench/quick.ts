import { BenchStand } from './bench-stand.ts';
import { bwrapLine } from './bwrap-line.ts';
import { assembleSeccomp, seccompArchitecture } from '../src/seccomp.ts';
import { openWall } from '../src/launcher-wall.ts';
const warm = Number(process.argv[2] ?? 2),
  rounds = Number(process.argv[3] ?? 20);
await using stand = await BenchStand.start(warm);
const seccomp = openWall(stand.paths, process.arch).seccomp.default;
const p = await stand.principal('one');
const ours: number[] = [],
  base: number[] = [],
  answer: number[] = [];
const q = (x: number[], f: number) => x.toSorted((a, b) => a - b)[Math.floor(f * (x.length - 1))]!.toFixed(1);
let number = -1;
for (let i = 0; i < rounds + 3; i++) {
  const b = await bwrapLine(seccomp as never, ['/bin/echo', 'x']);
  await new Promise((r) => setTimeout(r, 400));
  const out = number >= 0 ? stand.nextOutput(number) : undefined;
  const t = performance.now();
  const info = await stand.create(p, ['/bin/echo', 'x']);
  const a = performance.now() - t;
  number = stand.numberOf(p);
  if (out !== undefined && i >= 3) {
    ours.push((await out.at) - t);
    base.push(b.first);
    answer.push(a);
  }
  await stand.destroy(p, info.id);
}
console.log(
  'bwrap',
  q(base, 0.5),
  q(base, 0.99),
  'ours',
  q(ours, 0.5),
  q(ours, 0.99),
  'answer',
  q(answer, 0.5),
  'ratio',
  Number(q(ours, 0.5)) / Number(q(base, 0.5)),
);
