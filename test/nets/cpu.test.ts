import { testNets } from '../support/nets.js'

testNets('cpu', { skip: false, ownGradients: false })
