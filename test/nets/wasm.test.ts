import { testNets } from '../support/nets.js'

testNets('wasm', { skip: false, ownGradients: true })
