import { existsSync } from 'node:fs'
import { join, sep } from 'node:path'
import express, { Router } from 'express'
import helmet from 'helmet'

/**
 * Headers of every answer. Cross-origin isolation (COOP, COEP) lets the page's WebAssembly use threads; the policy lets
 * it run WebAssembly, workers and pictures of its own making, and nothing from elsewhere.
 */
export const securityHeaders = () =>
  helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'self'"],
        scriptSrc: ["'self'", "'wasm-unsafe-eval'"],
        workerSrc: ["'self'", 'blob:'],
        imgSrc: ["'self'", 'blob:', 'data:'],
        connectSrc: ["'self'", 'blob:', 'data:'],
        styleSrc: ["'self'"],
        objectSrc: ["'none'"],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ["'self'"],
      },
    },
    crossOriginOpenerPolicy: { policy: 'same-origin' },
    crossOriginEmbedderPolicy: { policy: 'require-corp' },
    // Plain HTTP here; whoever puts TLS in front decides about this one there.
    strictTransportSecurity: false,
  })

/** The page, as Vite built it. Names under assets/ carry a hash of the content, the others do not. */
export function page(folder: string): Router {
  const router = Router()
  const built = existsSync(join(folder, 'index.html'))
  if (!built) {
    router.get('/', (_req, res) => {
      res
        .status(404)
        .type('text/plain')
        .send('The page has not been built: npm run build makes it. The API is there: POST /upscale, GET /models.\n')
    })
    return router
  }
  const setHeaders = (res: express.Response, path: string) => {
    const hashed = path.startsWith(join(folder, 'assets') + sep)
    res.set('Cache-Control', hashed ? 'public, max-age=31536000, immutable' : 'no-cache')
  }
  router.use(express.static(folder, { setHeaders, cacheControl: false, redirect: false }))
  return router
}
