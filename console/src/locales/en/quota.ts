import type zh from '../zh/quota'

const en: typeof zh = {}
export default en
