/**
 * Finds the entries of a zip file that are stored without compression, as torch.save writes them.
 * PKWARE APPNOTE 6.3.10: 4.3.7 local header, 4.3.12 central directory, 4.3.14–16 its end, with and without zip64.
 *
 *     [local header, name, extra, data]… [central directory] [zip64 end, locator]? [end, comment]
 */

const END = 0x06054b50
const END64 = 0x06064b50
const LOCATOR64 = 0x07064b50
const CENTRAL = 0x02014b50
const LOCAL = 0x04034b50

/**
 * @returns the bytes of every entry by its name, as views of `bytes`
 * @throws Error saying what is wrong; RangeError where an offset leads outside
 */
export function storedEntries(bytes: Buffer): Map<string, Buffer> {
  const entries = new Map<string, Buffer>()
  let { offset, count } = directory(bytes)
  let total = 0
  for (; count > 0; count--) {
    if (bytes.readUInt32LE(offset) !== CENTRAL) throw new Error('its directory is damaged')
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map(at => bytes.readUInt16LE(offset + at)) as [number, number, number]
    const name = bytes.toString('utf8', offset + 46, offset + 46 + nameLength)
    const extra = bytes.subarray(offset + 46 + nameLength, offset + 46 + nameLength + extraLength)
    const wide = zip64Values(extra)
    // In this order, only those whose 32-bit field is full (4.5.3).
    const value = (at: number) => (bytes.readUInt32LE(offset + at) === 0xffffffff ? wide() : bytes.readUInt32LE(offset + at))
    const size = value(24)
    const stored = value(20)
    const local = value(42)
    if (bytes.readUInt16LE(offset + 10) !== 0 || size !== stored) throw new Error(`${name} in it is compressed`)
    if (bytes.readUInt32LE(local) !== LOCAL) throw new Error(`${name} in it has no header`)
    const from = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28)
    if (from + size > bytes.length) throw new Error(`${name} in it is cut off`)
    if (entries.has(name)) throw new Error(`${name} stands in it twice`)
    // Entries over one another would let a small file stand for any amount.
    total += size
    if (total > bytes.length) throw new Error('its entries overlap')
    entries.set(name, bytes.subarray(from, from + size))
    offset += 46 + nameLength + extraLength + commentLength
  }
  return entries
}

function directory(bytes: Buffer): { offset: number; count: number } {
  // The end record is 22 bytes and a comment of at most 65,535.
  for (let at = bytes.length - 22; at >= Math.max(0, bytes.length - 22 - 0xffff); at--) {
    if (bytes.readUInt32LE(at) !== END) continue
    if (at < 20 || bytes.readUInt32LE(at - 20) !== LOCATOR64)
      return { offset: bytes.readUInt32LE(at + 16), count: bytes.readUInt16LE(at + 10) }
    const end64 = Number(bytes.readBigUInt64LE(at - 12))
    if (bytes.readUInt32LE(end64) !== END64) throw new Error('its zip64 directory is damaged')
    return { offset: Number(bytes.readBigUInt64LE(end64 + 48)), count: Number(bytes.readBigUInt64LE(end64 + 32)) }
  }
  throw new Error('its end is missing')
}

/** Reads the 64-bit values of extra field 1, one a call. */
function zip64Values(extra: Buffer): () => number {
  let at = 0
  while (at + 4 <= extra.length && extra.readUInt16LE(at) !== 1) at += 4 + extra.readUInt16LE(at + 2)
  at += 4
  return () => {
    at += 8
    return Number(extra.readBigUInt64LE(at - 8))
  }
}
