import { createHash } from 'node:crypto'
import { sharp } from '../../infer/sharp.js'
import { encode } from '../serve/support.js'
import { drawAlpha, drawGrey, drawPhoto, random } from '../support/draw.js'
import { type Answer, type Client, codeOf, multipart, shown } from './client.js'
import { pick } from './part.js'
import type { Tally } from './tally.js'

/** One `POST /upscale`, ready to send, and the picture that must come back. */
export interface Ask {
  name: string
  body: Buffer
  format: string
  width: number
  height: number
  /** SHA-256 of the right answer, once one has been decoded and found right. */
  sum?: string
}

const SCALE = 4

/**
 * Pictures of mixed sizes and formats, drawn by the seed.
 * @param long which of them (a PNG: every fifth) is in a file so long that the server does not hold it
 */
export async function drawAsks(seed: number, count: number, largest: number, long?: number): Promise<Ask[]> {
  const next = random(seed)
  const kinds = ['png', 'jpeg', 'webp', 'avif', 'tiff'] as const
  const asks: Ask[] = []
  for (let i = 0; i < count; i++) {
    const kind = kinds[i % kinds.length]!
    // Squared: as with strangers' pictures, most are small and some are not.
    const side = () => Math.round(16 + (largest - 16) * next() ** 2)
    const [width, height] = [side(), side()]
    const draw = pick(next, kind === 'png' || kind === 'webp' ? [drawPhoto, drawGrey, drawAlpha] : [drawPhoto])
    const picture = await encode(draw(width, height, seed + i), kind)
    const bytes = i === long ? Buffer.concat([picture, Buffer.alloc(9_000_000)]) : picture
    const scale = pick(next, [undefined, undefined, 2, 3])
    const name = `${i}-${width}x${height}.${kind}`
    asks.push({
      name,
      body: multipart(name, bytes, scale === undefined ? {} : { scale: String(scale) }),
      format: kind === 'jpeg' || kind === 'webp' ? kind : 'png',
      width: width * (scale ?? SCALE),
      height: height * (scale ?? SCALE),
    })
  }
  return asks
}

/** One of each alone: afterwards it is known how every right answer looks. */
export async function askInTurn(client: Client, asks: readonly Ask[], tally: Tally): Promise<void> {
  for (const each of asks) await ask(client, each, tally)
}

/**
 * One request, whose answer must be its picture, or `busy`.
 * @param excuse says for another documented code why it may be, as the line to count it under
 */
export async function ask(client: Client, what: Ask, tally: Tally, excuse?: (code: string) => string | undefined): Promise<void> {
  const sent = performance.now()
  try {
    const answer = await client.post(what.body)
    const code = codeOf(answer)
    if (answer.status === 200) {
      const wrong = await wrongPicture(what, answer)
      if (wrong !== undefined) return tally.broke(wrong)
      tally.latencies.push(performance.now() - sent)
      tally.count('200, the right picture')
    } else if (answer.status === 503 && code === 'busy' && answer.headers['retry-after'] !== undefined) {
      tally.count('503 busy')
    } else if (code !== undefined && excuse?.(code) !== undefined) tally.count(excuse(code)!)
    else tally.broke(`${what.name}: ${shown(answer)}`)
  } catch (error) {
    tally.broke(`${what.name}: no answer: ${(error as Error).message}`)
  }
}

/** What is wrong with a 200: undecodable, of another format or size than asked for, or unlike the answer given before. */
export async function wrongPicture(ask: Ask, { bytes }: Answer): Promise<string | undefined> {
  const sum = createHash('sha256').update(bytes).digest('hex')
  // The first was decoded; those of the same bytes are as right.
  if (ask.sum === sum) return undefined
  if (ask.sum !== undefined) return `${ask.name}: not the bytes of the first answer (${bytes.length} bytes)`
  const fault = await undecodable(bytes)
  if (fault !== undefined) return `${ask.name}: ${fault}`
  const { format, width, height } = await sharp(bytes).metadata()
  if (format !== ask.format || width !== ask.width || height !== ask.height) {
    return `${ask.name}: expected ${ask.format} ${ask.width}×${ask.height} but received ${format} ${width}×${height}`
  }
  ask.sum = sum
  return undefined
}

/** Why not all pixels can be decoded. */
export async function undecodable(bytes: Uint8Array): Promise<string | undefined> {
  try {
    await sharp(bytes, { failOn: 'warning' }).stats()
    return undefined
  } catch (error) {
    return `cannot be decoded: ${(error as Error).message}`
  }
}
