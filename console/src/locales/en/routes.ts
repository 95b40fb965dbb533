import type zh from '../zh/routes'

const en: typeof zh = {}
export default en
