/**
 * Every error a user can meet has one stable code. The same codes appear in HTTP answers
 * (`application/problem+json`, RFC 9457), on the command line and on thrown errors.
 */
export const ERROR_TABLE = {
  // what was sent
  'missing-image': { status: 400, title: 'No image was given' },
  'several-images': { status: 400, title: 'More than one image was given' },
  'empty-image': { status: 400, title: 'The image has no bytes' },
  'broken-multipart': { status: 400, title: 'The form could not be read' },
  'unknown-option': { status: 400, title: 'Unknown option' },
  'invalid-option': { status: 400, title: 'Invalid option' },
  'not-an-image': { status: 415, title: 'Not an image' },
  'unsupported-format': { status: 415, title: 'Unsupported image format' },
  'animated-image': { status: 415, title: 'Animated and multi-page images are not supported' },
  'broken-image': { status: 422, title: 'The image is damaged' },
  'upload-too-large': { status: 413, title: 'The upload is too large' },
  'too-many-pixels': { status: 413, title: 'The image has too many pixels' },
  'output-too-large': { status: 422, title: 'The result does not fit the output format' },
  // models
  'unknown-model': { status: 404, title: 'Unknown model' },
  'invalid-card': { status: 500, title: 'The model card is invalid' },
  'model-mismatch': { status: 500, title: 'The model file does not match its card' },
  'parity-failed': { status: 500, title: 'The exported file does not compute what the trained network computes' },
  'variant-refused': { status: 500, title: 'The variant of lower precision loses too much or gains nothing' },
  'unsupported-layer': { status: 500, title: 'The network cannot be exported' },
  'invalid-onnx': { status: 400, title: 'The ONNX file cannot be read' },
  'not-an-upscaler': { status: 400, title: 'The ONNX file is no upscaler that can be run here' },
  'invalid-weights': { status: 400, title: 'The file of weights is damaged or of an unknown kind' },
  'unknown-architecture': { status: 400, title: 'The weights fit no architecture that is known' },
  'unsafe-weights': { status: 400, title: 'The file holds more than weights' },
  // running
  busy: { status: 503, title: 'The server is at capacity' },
  timeout: { status: 504, title: 'The work took too long' },
  aborted: { status: 499, title: 'The work was cancelled' },
  'engine-crashed': { status: 500, title: 'The inference engine stopped unexpectedly' },
  'provider-unavailable': { status: 500, title: 'The execution provider is not available' },
  'engine-unavailable': { status: 500, title: 'The training engine is not available' },
  'missing-feature-network': { status: 500, title: 'The network of the feature loss is not at hand' },
  internal: { status: 500, title: 'Internal error' },
  'not-found': { status: 404, title: 'Not found' },
  'bad-request': { status: 400, title: 'The request could not be understood' },
  'headers-too-large': { status: 431, title: 'The headers of the request are too large' },
  'request-timeout': { status: 408, title: 'The request took too long to arrive' },
  'unsupported-media-type': { status: 415, title: 'Unsupported kind of request body' },
  'rate-limited': { status: 429, title: 'Too many requests' },
  unauthorized: { status: 401, title: 'An API key is required' },
  'job-unfinished': { status: 409, title: 'The job is not finished' },
  'key-reused': { status: 409, title: 'The idempotency key was used for something else' },
  'result-expired': { status: 410, title: 'The result is no longer kept' },
  'method-not-allowed': { status: 405, title: 'Method not allowed' },
  'not-acceptable': { status: 406, title: 'No acceptable output format' },
  // files and folders
  'no-input': { status: 400, title: 'The input does not exist' },
  'no-images': { status: 400, title: 'The folder holds no usable image' },
  'pair-mismatch': { status: 400, title: 'The low and the high side of a picture do not fit' },
  'not-writable': { status: 500, title: 'The output cannot be written' },
  'no-space': { status: 507, title: 'Not enough free space' },
  'output-exists': { status: 409, title: 'The output already exists' },
  'not-a-run': { status: 400, title: 'Not a training run folder' },
  'run-mismatch': { status: 409, title: 'The run folder was made with other options' },
  'invalid-module': { status: 400, title: 'The module cannot be used' },
  diverged: { status: 500, title: 'Training diverged' },
} as const

export type ErrorCode = keyof typeof ERROR_TABLE

export interface ErrorDetails {
  /** The option, field or file the error is about. */
  param?: string
  /** What would have been right, in words. */
  expected?: string
  /** What came instead, shortened to what helps. */
  got?: string
  /** Seconds after which another try may succeed. */
  retryAfter?: number
  cause?: unknown
}

/** An error meant for the person who caused or can mend it; anything else that is thrown is a bug of ours. */
export class UprezError extends Error {
  readonly code: ErrorCode
  readonly param: string | undefined
  readonly expected: string | undefined
  readonly got: string | undefined
  readonly retryAfter: number | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'UprezError'
    this.code = code
    this.param = details.param
    this.expected = details.expected
    this.got = details.got
    this.retryAfter = details.retryAfter
  }
}

/** Plain data for crossing a process boundary; `reviveError` turns it back. Errors of ours only: a bug keeps its message under `internal`. */
export interface PlainError {
  code: ErrorCode
  message: string
  param?: string | undefined
  expected?: string | undefined
  got?: string | undefined
}

export function plainError(error: unknown): PlainError {
  if (error instanceof UprezError) {
    const { code, message, param, expected, got } = error
    return { code, message, param, expected, got }
  }
  return { code: 'internal', message: error instanceof Error ? error.message : String(error) }
}

export function reviveError(plain: PlainError): UprezError {
  const { code, message, param, expected, got } = plain
  return new UprezError(code, message, {
    ...(param === undefined ? {} : { param }),
    ...(expected === undefined ? {} : { expected }),
    ...(got === undefined ? {} : { got }),
  })
}
