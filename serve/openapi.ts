import type { ErrorCode } from '../errors.js'
import { idSchema } from './jobs-routes.js'
import type { ServerLimits } from './limits.js'
import type { Shelf } from './models.js'
import {
  type Api,
  anyJson,
  binary,
  idempotencyKey,
  inferenceProtocol,
  inPath,
  json,
  optionSchemas,
  orderOf,
  type Parameter,
  pictures,
  problemAnswers,
  ref,
  resultHeaders,
  SCHEMAS,
  schemaOf,
} from './openapi-parts.js'
import { packageVersion } from './version.js'

/** What differs from one server to the next. */
export interface ApiOptions {
  shelf: Shelf
  limits: Pick<ServerLimits, 'maxUploadBytes'>
  /** An API key is asked for. */
  guarded: boolean
}

/**
 * The description of the HTTP interface, OpenAPI 3.1 (spec.openapis.org/oas/v3.1.1), made of what the server itself goes by: the
 * schemas and tables of options, errors, limits, jobs and cards.
 */
export function describeApi({ shelf, limits, guarded }: ApiOptions): Api {
  const options = optionSchemas(shelf)
  const always: ErrorCode[] = [
    'bad-request',
    'request-timeout',
    'headers-too-large',
    'internal',
    ...(guarded ? (['unauthorized'] as const) : []),
  ]
  const problems = (...codes: ErrorCode[]) => problemAnswers([...codes, ...always])
  const order = orderOf(options, limits.maxUploadBytes)
  const modelId: Parameter = { ...inPath('id', 'a model of GET /models', options.model!), example: shelf.standardId }
  const jobId = inPath('id', 'as POST /jobs gave it', schemaOf(idSchema))
  const open = { security: [] as [] }

  return {
    openapi: '3.1.1',
    info: {
      title: 'uprez',
      version: packageVersion,
      summary: 'Enlarges pictures with neural networks',
      description:
        'Send a picture to POST /upscale and get the larger one as the answer; for work that takes long, POST /jobs. ' +
        'Every error is a problem (RFC 9457) with a stable code.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    tags: [
      { name: 'Pictures', description: 'One picture in, the larger one out.' },
      { name: 'Jobs', description: 'Long work. Jobs belong to one server process and end with it.' },
      { name: 'Models', description: 'What pictures are enlarged with.' },
      { name: 'Operation', description: 'For probes, monitors and programs.' },
      {
        name: 'Open Inference Protocol',
        description: "Health and metadata as KServe and Triton have them, version 2; errors are this server's problems.",
      },
    ],
    security: guarded ? [{ bearer: [] }, { apiKey: [] }] : [],
    paths: {
      '/upscale': {
        post: {
          operationId: 'upscale',
          tags: ['Pictures'],
          summary: 'Enlarge a picture',
          description:
            'Options count alike from the query and from the form. If the client closes the connection, the work is cancelled. ' +
            'The format of the result: the option format, else what Accept prefers, else JPEG for JPEG, WebP for WebP and PNG for all others.',
          ...order,
          responses: {
            200: {
              description: 'The result',
              headers: resultHeaders('upload, queue, decode, upscale, encode, total'),
              content: pictures(),
            },
            ...problems(...UPLOAD_ERRORS, ...WORK_ERRORS, 'not-acceptable', 'no-space'),
          },
        },
      },
      '/jobs': {
        post: {
          operationId: 'createJob',
          tags: ['Jobs'],
          summary: 'Enlarge a picture in the background',
          description: 'Takes what POST /upscale takes, and answers as soon as the picture has arrived. Accept counts for nothing here.',
          ...order,
          parameters: [...order.parameters, idempotencyKey],
          responses: {
            202: {
              description: 'The job; with a known Idempotency-Key, the job of before',
              headers: { Location: { description: 'of the job', schema: { type: 'string' } } },
              content: json(ref('Job')),
              links: Object.fromEntries(
                ['getJob', 'getJobResult', 'deleteJob'].map(operationId => [
                  operationId,
                  { operationId, parameters: { id: '$response.body#/id' } },
                ]),
              ),
            },
            ...problems(...UPLOAD_ERRORS, 'key-reused', 'no-space'),
          },
        },
      },
      '/jobs/{id}': {
        get: {
          operationId: 'getJob',
          tags: ['Jobs'],
          summary: 'How a job is doing',
          description:
            'With Accept: text/event-stream, an event for every change, whose data is the job as JSON; the stream ends with the final state. ' +
            "Another key's jobs are not there.",
          parameters: [jobId],
          responses: {
            200: {
              description: 'The job',
              content: { ...json(ref('Job')), 'text/event-stream': { schema: { type: 'string' } } },
            },
            204: { description: 'To an EventSource that comes back (Last-Event-ID) after the last event: there is no more' },
            ...problems('not-found'),
          },
        },
        delete: {
          operationId: 'deleteJob',
          tags: ['Jobs'],
          summary: 'Cancel and forget a job, and delete its result',
          description: 'The answer is the same where no such job is there: afterwards, none is. What is no id at all is not found.',
          parameters: [jobId],
          responses: { 204: { description: 'Gone' }, ...problems('not-found') },
        },
      },
      '/jobs/{id}/result': {
        get: {
          operationId: 'getJobResult',
          tags: ['Jobs'],
          summary: "A job's result",
          parameters: [jobId],
          responses: {
            200: { description: 'The result', headers: resultHeaders('queue, decode, upscale, encode'), content: pictures() },
            304: { description: 'If-None-Match names the result' },
            ...problems('not-found', 'job-unfinished', 'result-expired', 'no-space', 'busy', ...WORK_ERRORS),
          },
        },
      },
      '/models': {
        get: {
          operationId: 'listModels',
          tags: ['Models'],
          summary: 'The models that can be asked for',
          responses: { 200: { description: 'All of them', content: json(ref('Models')) }, ...problems() },
        },
      },
      '/models/{id}/card.json': {
        get: {
          operationId: 'getModelCard',
          tags: ['Models'],
          summary: "A model's card",
          parameters: [modelId],
          responses: { 200: { description: 'All that is known of it', content: json(ref('Card')) }, ...problems('unknown-model') },
        },
      },
      '/models/{id}/{file}': {
        get: {
          operationId: 'getModelFile',
          tags: ['Models'],
          summary: "A model's graph file",
          description: 'A file that the card names. Its ETag is its SHA-256.',
          parameters: [modelId, { ...inPath('file', 'as the card names it', { type: 'string' }), example: shelf.standard.card.model.file }],
          responses: {
            200: {
              description: 'ONNX; for card.json, the card',
              content: { 'application/octet-stream': { schema: binary }, ...json(ref('Card')) },
            },
            304: { description: 'If-None-Match names the file' },
            ...problems('unknown-model', 'not-found'),
          },
        },
      },
      '/healthz': {
        get: {
          operationId: 'getHealth',
          tags: ['Operation'],
          summary: 'Whether the process lives',
          ...open,
          responses: { 200: { description: 'It does', content: anyJson }, ...problems() },
        },
      },
      '/readyz': {
        get: {
          operationId: 'getReadiness',
          tags: ['Operation'],
          summary: 'Whether requests are taken',
          ...open,
          responses: {
            200: { description: 'Ready', content: anyJson },
            ...problems(),
            503: { description: 'Starting, or shutting down', content: anyJson },
          },
        },
      },
      '/metrics': {
        get: {
          operationId: 'getMetrics',
          tags: ['Operation'],
          summary: 'What Prometheus asks for',
          responses: { 200: { description: 'Figures', content: { 'text/plain': { schema: { type: 'string' } } } }, ...problems() },
        },
      },
      '/openapi.json': {
        get: {
          operationId: 'getApi',
          tags: ['Operation'],
          summary: 'This description',
          responses: { 200: { description: 'OpenAPI 3.1', content: anyJson }, ...problems() },
        },
      },
      '/docs': {
        get: {
          operationId: 'getDocs',
          tags: ['Operation'],
          summary: 'This description, to be read',
          responses: { 200: { description: 'A page', content: { 'text/html': { schema: { type: 'string' } } } }, ...problems() },
        },
      },
      '/v2': inferenceProtocol('getServerMetadata', 'The server', ref('ServerMetadata'), problems()),
      '/v2/health/live': inferenceProtocol('getLive', 'Whether the process lives', ref('Live'), problems(), open),
      '/v2/health/ready': inferenceProtocol(
        'getReady',
        'Whether requests are taken',
        ref('Ready'),
        { ...problems(), 503: { description: 'Not ready', content: json(ref('Ready')) } },
        open,
      ),
      '/v2/models/{id}': inferenceProtocol(
        'getModelMetadata',
        "A model's inputs and outputs",
        ref('ModelMetadata'),
        problems('unknown-model'),
        {
          parameters: [modelId],
        },
      ),
      '/v2/models/{id}/ready': inferenceProtocol(
        'getModelReady',
        'Whether a model can be asked for',
        ref('ModelReady'),
        problems('unknown-model'),
        {
          parameters: [modelId],
        },
      ),
    },
    components: {
      schemas: SCHEMAS,
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'Authorization: Bearer KEY' },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      },
    },
  }
}

/** What a request with a picture can be refused for before the picture is decoded. */
const UPLOAD_ERRORS: ErrorCode[] = [
  'missing-image',
  'several-images',
  'empty-image',
  'broken-multipart',
  'unknown-option',
  'invalid-option',
  'unknown-model',
  'upload-too-large',
  'not-an-image',
  'unsupported-format',
  'unsupported-media-type',
  'rate-limited',
  'busy',
]

/** What can go wrong when it is decoded and enlarged. */
const WORK_ERRORS: ErrorCode[] = [
  'not-an-image',
  'unsupported-format',
  'animated-image',
  'broken-image',
  'too-many-pixels',
  'output-too-large',
  'invalid-option',
  'model-mismatch',
  'engine-crashed',
  'timeout',
]
