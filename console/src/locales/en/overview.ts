import type zh from '../zh/overview'

const en: typeof zh = {}
export default en
