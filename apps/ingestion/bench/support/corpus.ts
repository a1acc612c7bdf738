/** Texts and vectors for the benchmarks of search: the same ones in every run. */

/** One that has half of all documents, four that have a tenth each, and ten that have a hundredth each. */
export const TENANTS: readonly (readonly string[])[] = [
  ['large'],
  Array.from({ length: 4 }, (_, index) => `middle-${index}`),
  Array.from({ length: 10 }, (_, index) => `small-${index}`),
];

/** The tenant of the document with this number; each run of a hundred documents has the same shares. */
export function tenantOf(index: number): string {
  const [large, middle, small] = TENANTS as [string[], string[], string[]];
  if (index % 2 === 0) return large[0] as string;
  const rest = ((index - 1) / 2) % 50;
  return (rest < 40 ? middle[rest % 4] : small[rest - 40]) as string;
}

const COMMON =
  'the of and to in a is that it was for on are as with they at be this from have or by one had not but what all were when we there can an your which their said if do will each about how up out them then she many some so these would other into has more her two like him see time could no make than first been its who now people my made over did down only way find use may water long little very after words called just where most know work year government system day man world life part city problem fact group company number program question school state family student country week case point home room area money story month lot right study book eye job word business issue side kind head house service friend father power hour game line end member law car community name president team minute idea body information back parent face others level office door health person art war history party result change morning reason research girl guy moment air teacher force education'.split(
    ' ',
  );
const SYLLABLES =
  'ban ber con dor fel fin gar hol jin jor kel lan mor nes por pel quin ras sol tan tur vel win yor zam dri plo ska tre vun'.split(
    ' ',
  );
const VOCABULARY = 60_000;

/** Mulberry32. */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function wordOf(rank: number): string {
  const common = COMMON[rank];
  if (common !== undefined) return common;
  let made = '';
  for (let rest = rank; rest > 0; rest = Math.floor(rest / SYLLABLES.length))
    made += SYLLABLES[rest % SYLLABLES.length];
  return made;
}

/** How often the words up to each rank come, by the law of Zipf and Mandelbrot: 1 / (rank + 2.7). */
const cumulated = (() => {
  const sums = new Float64Array(VOCABULARY);
  let sum = 0;
  for (let rank = 0; rank < VOCABULARY; rank += 1) {
    sum += 1 / (rank + 3.7);
    sums[rank] = sum;
  }
  return sums.map((value) => value / sum);
})();

function someRank(random: () => number): number {
  const wanted = random();
  let [low, high] = [0, VOCABULARY - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((cumulated[middle] as number) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A passage of about 250 words, as long as the pipeline makes them. */
export function passage(random: () => number): string {
  let text = '';
  while (text.length < 1500) {
    const words = Array.from({ length: 8 + Math.floor(random() * 16) }, () => wordOf(someRank(random)));
    const sentence = words.join(' ');
    text += `${sentence[0]?.toUpperCase()}${sentence.slice(1)}. `;
  }
  return text;
}

/** Two to five words as they come in texts, frequent ones included; at least one that is not a stop word. */
export function question(random: () => number): string {
  const words = Array.from({ length: 2 + Math.floor(random() * 4) }, () => someRank(random));
  if (words.every((rank) => rank < 130)) words.push(130 + Math.floor(random() * 120));
  return words.map(wordOf).join(' ');
}

/** Vectors that gather by subject, as embeddings do. */
export function vectorsOf(random: () => number, dimensions: number): () => Float32Array {
  const noise = () => Float32Array.from({ length: dimensions }, () => random() + random() + random() - 1.5);
  const subjects = Array.from({ length: 500 }, noise);
  return () => {
    const subject = subjects[Math.floor(random() * subjects.length)] as Float32Array;
    const other = noise();
    return subject.map((value, index) => value + 0.8 * (other[index] as number));
  };
}
