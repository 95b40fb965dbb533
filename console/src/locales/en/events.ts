import type zh from '../zh/events'

const en: typeof zh = {}
export default en
