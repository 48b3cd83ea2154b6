// Random numbers that are the same on every machine for the same seed. Nothing here is a secret.

/** A stream of random numbers. */
export interface Random {
  /** From `least` up to, not including, `most`. */
  between(least: number, most: number): number
  /** True so often out of one. */
  chance(probability: number): boolean
  /** Exponentially distributed. @param mean in the unit wanted */
  exponential(mean: number): number
}

/**
 * The stream of a seed and a number: streams of different numbers have nothing to do with each other.
 * @param seed 32 bits
 * @param index which of the streams
 */
export function randomOf(seed: number, index: number): Random {
  const next = sfc32(seed, index)
  return {
    between: (least, most) => least + next() * (most - least),
    chance: (probability) => next() < probability,
    exponential: (mean) => -mean * Math.log(1 - next()),
  }
}

// Chris Doty-Humphrey's sfc32, from PractRand: whole numbers of 32 bits, so that no machine rounds otherwise.
function sfc32(seed: number, index: number): () => number {
  let [a, b, c, counter] = [0, seed | 0, index | 0, 1]
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return (sum >>> 0) / 2 ** 32
  }
  for (let i = 0; i < 12; i += 1) next()
  return next
}
