import type { ErrorCode } from '../../../errors.js'
import { multipart } from '../client.js'

/** One upload that somebody might send, and what may come of it. */
export interface Hostile {
  name: string
  /** The form; made when it is needed, for some are large. */
  body(): Promise<Buffer>
  /** Every right answer: 200 where it is a fine picture, or may be taken for one, else codes of errors.ts. */
  right: readonly Right[]
}

export type Right = 200 | ErrorCode

export const FINE: readonly Right[] = [200]
export const BROKEN: readonly Right[] = ['broken-image']
/** What decoders may differ on. Never a crash, a hang or memory without end. */
export const EITHER: readonly Right[] = [200, 'broken-image']

/** A file in the field of the image. */
export function upload(name: string, bytes: () => Uint8Array | Promise<Uint8Array>, right: readonly Right[], filename = name): Hostile {
  return { name, body: async () => multipart(filename, await bytes()), right }
}
