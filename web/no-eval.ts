import { config } from 'zod'

/**
 * Import this before models/card.ts, in the worker: zod looks whether it may make functions of text, which a strict
 * Content-Security-Policy forbids and reports, each time a worker starts.
 */
config({ jitless: true })
