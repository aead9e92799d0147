import { crc32, deflateSync } from 'node:zlib'
import type { Engine } from '../infer/engine.js'

/** Upscales a tiny grey picture: the model is loaded and proven before the first request. @throws whatever the engine throws */
export async function warmUp(engine: Engine, model: string): Promise<void> {
  await engine.upscale({ input: { bytes: greyPng(16) }, model, format: 'png', tile: 0 })
}

/** A PNG of side×side grey pixels, https://www.w3.org/TR/png/#11Chunks. This process loads no image library. */
function greyPng(side: number): Uint8Array {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(side, 0)
  header.writeUInt32BE(side, 4)
  header[8] = 8
  const rows = Buffer.alloc(side * (side + 1), Buffer.from([0, ...Array(side).fill(128)]))
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))])
}

function chunk(type: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const length = Buffer.alloc(4)
  const sum = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  sum.writeUInt32BE(crc32(named))
  return Buffer.concat([length, named, sum])
}
