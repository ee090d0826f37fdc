/**
 * The first bytes of the stream S(seed) that the storage format's test vectors are made of: outputs of splitmix64, each
 * eight bytes little-endian. S(1) begins c15c0289ec2d0a91.
 */
export function splitmixBytes(seed: bigint, length: number): Uint8Array<ArrayBuffer> {
  // Two 32-bit halves: BigInt would take a hundred times as long.
  const words = new Uint32Array(Math.ceil(length / 8) * 2);
  let high = Number(seed >> 32n & 0xffffffffn);
  let low = Number(seed & 0xffffffffn);
  for (let index = 0; index < words.length; index += 2) {
    const sum = low + 0x7f4a7c15;
    high = (high + 0x9e3779b9 + (sum > 0xffffffff ? 1 : 0)) >>> 0;
    low = sum >>> 0;
    let [h, l] = xorShift(high, low, 30);
    [h, l] = multiply(h, l, 0xbf58476d, 0x1ce4e5b9);
    [h, l] = xorShift(h, l, 27);
    [h, l] = multiply(h, l, 0x94d049bb, 0x133111eb);
    [h, l] = xorShift(h, l, 31);
    words[index] = l;
    words[index + 1] = h;
  }
  return new Uint8Array(words.buffer, 0, length);
}

/** z xor z >> bits, for bits below 32. */
function xorShift(high: number, low: number, bits: number): [number, number] {
  return [(high ^ high >>> bits) >>> 0, (low ^ (low >>> bits | high << 32 - bits)) >>> 0];
}

/** The low 64 bits of a product. */
function multiply(high: number, low: number, otherHigh: number, otherLow: number): [number, number] {
  const lowLow = low & 0xffff;
  const lowHigh = low >>> 16;
  const otherLowLow = otherLow & 0xffff;
  const otherLowHigh = otherLow >>> 16;
  const first = lowLow * otherLowLow;
  const second = lowHigh * otherLowLow + (first >>> 16);
  const third = lowLow * otherLowHigh + (second % 0x10000);
  const carry = lowHigh * otherLowHigh + Math.floor(second / 0x10000) + Math.floor(third / 0x10000);
  const resultLow = ((third & 0xffff) << 16 | first & 0xffff) >>> 0;
  return [(Math.imul(high, otherLow) + Math.imul(low, otherHigh) + carry) >>> 0, resultLow];
}
