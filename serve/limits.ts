import { z } from 'zod'
import type { ErrorCode } from '../errors.js'
import { memoryShare } from '../infer/memory.js'
import { readSetting } from '../setting.js'

interface ServerLimit {
  /** Environment variable. */
  variable: string
  /** What it bounds, for the documents. */
  about: string
  /** What a request beyond it is answered with; null where no request is refused by it. */
  code: ErrorCode | null
  fallback: number
  /** The default where anybody may come (`--public`), if that is another. */
  fallbackInPublic?: number
  /** Of memory: the default shrinks where that is short. */
  inMemory?: boolean
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
    inMemory: true,
    check: fromOne,
  },
  maxInFlightMegapixels: {
    variable: 'UPREZ_MAX_IN_FLIGHT_MEGAPIXELS',
    about: 'Sum of their megapixels as they are computed, waiting or in work. One picture alone is always let in',
    code: 'busy',
    fallback: 500,
    check: fromOne,
  },
  clientInFlight: {
    variable: 'UPREZ_CLIENT_IN_FLIGHT',
    about: 'Pictures of one client (API key, else address) at the same time, and as many unfinished jobs; 0 = no limit of its own',
    code: 'rate-limited',
    fallback: 0,
    fallbackInPublic: 8,
    check: fromZero,
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
  requestDeadlineMs: {
    variable: 'UPREZ_REQUEST_DEADLINE_MS',
    about: 'Time for a picture that has arrived, waiting included; 0 = none',
    code: 'timeout',
    fallback: 120_000,
    check: fromZero.max(2 ** 31 - 1),
  },
  deadlinePerMegapixelMs: {
    variable: 'UPREZ_DEADLINE_PER_MEGAPIXEL_MS',
    about: 'Time that each megapixel to be computed adds to that',
    code: 'timeout',
    fallback: 5000,
    check: fromZero,
  },
  sendTimeoutMs: {
    variable: 'UPREZ_SEND_TIMEOUT_MS',
    about: 'Time in which a client takes nothing of an answer before its connection is closed',
    code: null,
    fallback: 30_000,
    check: milliseconds,
  },
  keepAliveTimeoutMs: {
    variable: 'UPREZ_KEEP_ALIVE_TIMEOUT_MS',
    about: 'Time that an idle connection stays open; longer than a proxy in front keeps it (nginx and most clouds: 60 s)',
    code: null,
    fallback: 75_000,
    check: milliseconds,
  },
  shutdownGraceMs: {
    variable: 'UPREZ_SHUTDOWN_GRACE_MS',
    about: 'Time that requests have to finish after SIGTERM or Ctrl-C',
    code: 'busy',
    fallback: 25_000,
    check: fromZero.max(2 ** 31 - 1),
  },
  maxQueuedJobs: {
    variable: 'UPREZ_MAX_QUEUED_JOBS',
    about: 'Jobs that wait their turn',
    code: 'busy',
    fallback: 100,
    check: fromOne,
  },
  maxRunningJobs: {
    variable: 'UPREZ_MAX_RUNNING_JOBS',
    about: 'Jobs in work at the same time; the rest of the engine is for `POST /upscale`',
    code: null,
    fallback: 2,
    check: fromOne,
  },
  jobDeadlineMs: {
    variable: 'UPREZ_JOB_DEADLINE_MS',
    about: 'Time for a job from when it begins to run; 0 = none',
    code: 'timeout',
    fallback: 6 * 3_600_000,
    check: fromZero.max(2 ** 31 - 1),
  },
  maxKeptJobs: {
    variable: 'UPREZ_MAX_KEPT_JOBS',
    about: 'Finished jobs that are remembered; the first to finish are forgotten first, with their results',
    code: 'not-found',
    fallback: 10_000,
    check: fromOne,
  },
  jobsMaxBytes: {
    variable: 'UPREZ_JOBS_MAX_BYTES',
    about: 'Uploads and results of jobs on disk; the oldest results make room (`result-expired`), and what can never fit is refused',
    code: 'no-space',
    fallback: 2 * 1024 ** 3,
    check: fromOne,
  },
  jobTtlMs: {
    variable: 'UPREZ_JOB_TTL_MS',
    about: "Time that a finished job's result and its Idempotency-Key are kept",
    code: 'result-expired',
    fallback: 3_600_000,
    check: milliseconds,
  },
  rateLimit: {
    variable: 'UPREZ_RATE_LIMIT',
    about: 'Pictures per minute and client (API key, else address); 0 = no limit',
    code: 'rate-limited',
    fallback: 0,
    fallbackInPublic: 120,
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

function defaultOf({ fallback, fallbackInPublic = fallback, inMemory = false }: ServerLimit, inPublic: boolean): number {
  const usual = inPublic ? fallbackInPublic : fallback
  return inMemory ? Math.ceil(usual * memoryShare()) : usual
}

/**
 * The limits in force: what the caller asks for, else the environment, else the default.
 * @param inPublic anybody may come, without a key
 * @throws UprezError `invalid-option` naming the limit or the variable
 */
export function readServerLimits(
  asked: Partial<ServerLimits> = {},
  environment: NodeJS.ProcessEnv = process.env,
  inPublic = false,
): ServerLimits {
  const entries = Object.entries(SERVER_LIMITS).map(([name, limit]) => [
    name,
    readSetting(name, limit, asked[name as keyof ServerLimits], environment) ?? defaultOf(limit, inPublic),
  ])
  return Object.fromEntries(entries) as ServerLimits
}
