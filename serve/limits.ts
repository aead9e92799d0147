import { z } from 'zod'
import type { ErrorCode } from '../errors.js'
import { readSetting } from '../infer/limits.js'

interface ServerLimit {
  /** Environment variable. */
  variable: string
  /** What it bounds, for the documents. */
  about: string
  /** What a request beyond it is answered with; null where no request is refused by it. */
  code: ErrorCode | null
  fallback: number
  check: z.ZodNumber
}

const fromOne = z.int().min(1)
const fromZero = z.int().min(0)
const milliseconds = z
  .int()
  .min(1)
  .max(2 ** 31 - 1)

/** Every limit of the server; docs/server.md shows this table. Those of pictures and of the engine are in `infer/limits.ts`. */
export const SERVER_LIMITS = {
  maxUploadBytes: {
    variable: 'UPREZ_MAX_UPLOAD_BYTES',
    about: 'Largest body of a request, the form around the image included',
    code: 'upload-too-large',
    fallback: 64 * 1024 * 1024,
    check: fromOne,
  },
  maxInFlight: {
    variable: 'UPREZ_MAX_IN_FLIGHT',
    about: 'Pictures being received, upscaled or sent at the same time',
    code: 'busy',
    fallback: 64,
    check: fromOne,
  },
  maxInFlightBytes: {
    variable: 'UPREZ_MAX_IN_FLIGHT_BYTES',
    about: 'Sum of their bodies or results; a body of unknown length counts as the largest allowed. One picture alone is always let in',
    code: 'busy',
    fallback: 256 * 1024 * 1024,
    check: fromOne,
  },
  maxFormFields: {
    variable: 'UPREZ_MAX_FORM_FIELDS',
    about: 'Fields in a form, the image not counted',
    code: 'broken-multipart',
    fallback: 16,
    check: fromOne,
  },
  maxFieldBytes: {
    variable: 'UPREZ_MAX_FIELD_BYTES',
    about: 'Length of an option in a form',
    code: 'invalid-option',
    fallback: 256,
    check: fromOne,
  },
  maxFieldNameBytes: {
    variable: 'UPREZ_MAX_FIELD_NAME_BYTES',
    about: "Length of a form field's name",
    code: 'broken-multipart',
    fallback: 64,
    check: fromOne,
  },
  maxPartHeaders: {
    variable: 'UPREZ_MAX_PART_HEADERS',
    about: 'Headers of one part of a form that are read; more are ignored',
    code: null,
    fallback: 16,
    check: fromOne,
  },
  maxConnections: {
    variable: 'UPREZ_MAX_CONNECTIONS',
    about: 'Open connections; beyond it new ones are closed without an answer',
    code: null,
    fallback: 1024,
    check: fromOne,
  },
  maxRequestsPerSocket: {
    variable: 'UPREZ_MAX_REQUESTS_PER_SOCKET',
    about: 'Requests on one kept-alive connection before the server closes it; 0 = no limit',
    code: null,
    fallback: 1000,
    check: fromZero,
  },
  headersTimeoutMs: {
    variable: 'UPREZ_HEADERS_TIMEOUT_MS',
    about: "Time for a request's headers to arrive",
    code: 'request-timeout',
    fallback: 10_000,
    check: milliseconds,
  },
  requestTimeoutMs: {
    variable: 'UPREZ_REQUEST_TIMEOUT_MS',
    about: 'Time for a whole request to arrive, its body included',
    code: 'request-timeout',
    fallback: 120_000,
    check: milliseconds,
  },
  sendTimeoutMs: {
    variable: 'UPREZ_SEND_TIMEOUT_MS',
    about: 'Time in which a client takes nothing of a result before its connection is closed',
    code: null,
    fallback: 30_000,
    check: milliseconds,
  },
  keepAliveTimeoutMs: {
    variable: 'UPREZ_KEEP_ALIVE_TIMEOUT_MS',
    about: 'Time that an idle connection stays open',
    code: null,
    fallback: 10_000,
    check: milliseconds,
  },
  shutdownGraceMs: {
    variable: 'UPREZ_SHUTDOWN_GRACE_MS',
    about: 'Time that requests have to finish after SIGTERM or Ctrl-C',
    code: 'busy',
    fallback: 25_000,
    check: fromZero.max(2 ** 31 - 1),
  },
  rateLimit: {
    variable: 'UPREZ_RATE_LIMIT',
    about: 'Pictures per minute and address; 0 = no limit',
    code: 'rate-limited',
    fallback: 0,
    check: fromZero,
  },
  trustedProxies: {
    variable: 'TRUST_PROXY',
    about: 'Reverse proxies in front whose X-Forwarded-For is believed when addresses are counted',
    code: null,
    fallback: 0,
    check: fromZero,
  },
} as const satisfies Record<string, ServerLimit>

export type ServerLimits = Record<keyof typeof SERVER_LIMITS, number>

/**
 * The limits in force: what the caller asks for, else the environment, else the default.
 * @throws UprezError `invalid-option` naming the limit or the variable
 */
export function readServerLimits(asked: Partial<ServerLimits> = {}, environment: NodeJS.ProcessEnv = process.env): ServerLimits {
  const entries = Object.entries(SERVER_LIMITS).map(([name, limit]) => [
    name,
    readSetting(name, limit, asked[name as keyof ServerLimits], environment) ?? limit.fallback,
  ])
  return Object.fromEntries(entries) as ServerLimits
}
