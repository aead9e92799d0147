import { type Request, Router } from 'express'
import { type ApiOptions, describeApi } from './openapi.js'
import { renderApi } from './openapi-page.js'
import { STYLE } from './openapi-style.js'
import { methodNotAllowed } from './problem.js'

/** `/openapi.json`, and the same to be read at `/docs`. */
export function apiRoutes(options: ApiOptions): Router {
  const router = Router()
  const only = methodNotAllowed('GET', 'HEAD')
  router
    .route('/openapi.json')
    .get((_req, res) => void res.set('Cache-Control', 'no-cache').json(describeApi(options)))
    .all(only)
  router
    .route('/docs')
    .get(
      (req, res) =>
        void res
          .set('Cache-Control', 'no-cache')
          .type('html')
          .send(renderApi(describeApi(options), originOf(req))),
    )
    .all(only)
  router
    .route('/docs/style.css')
    .get((_req, res) => void res.set('Cache-Control', 'no-cache').type('css').send(STYLE))
    .all(only)
  return router
}

/** As the reader reached it, for the examples. */
function originOf(req: Request): string {
  const host = req.get('host') ?? ''
  return `${req.protocol}://${/^[\w.:[\]-]+$/.test(host) ? host : 'localhost'}`
}
