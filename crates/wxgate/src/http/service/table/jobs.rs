//! Work that goes on by itself.

use futures_util::FutureExt as _;
use http::Method;

use super::super::param::{Param, Shape, may};
use super::{BASE, Operation, Own, Takes};
use crate::problem::Code;

/// Of an upload's query.
const UPLOAD: &[Param] = &[
    may("rate", Shape::Int(1, 1000), "每秒几条，默认 50", "messages a second, 50 by default"),
    may("appid", Shape::Text(64), "没写 appid 的行用它", "for lines that have no appid"),
    may("source", Shape::Text(128), "没写 source 的行用它", "for lines that have no source"),
];
/// Of a job's.
const RESULTS: &[Param] = &[
    may("cursor", Shape::Int(0, 67_108_864), "上一页的 next", "`next` of the page before"),
    may("limit", Shape::Int(1, 1000), "每页几行，默认 100", "lines a page, 100 by default"),
];

pub(super) const BATCH: Operation = Operation {
    name: "sendwxtemplatemsg/batch",
    summary: (
        "批量模板消息：每行一个 sendwxtemplatemsg 请求（NDJSON，最多 10 万行、64 MiB），成为一个任务",
        "Template messages in bulk: a sendwxtemplatemsg request a line (NDJSON, 100,000 lines and 64 MiB at most), which become a job",
    ),
    params: UPLOAD,
    answer: &[
        ("job_id", "string"),
        ("accepted", "integer"),
        ("rejected", "integer"),
        ("errors", "array"),
        ("again", "boolean"),
    ],
    refused_as: Code::Message,
    own: Some(Own {
        run: |service, call| async move { service.batch(call).await }.boxed(),
        takes: Takes::Lines,
        gives: None,
    }),
    ..BASE
};

pub(super) const JOB: Operation = Operation {
    name: "jobs/{job_id}",
    method: Method::GET,
    summary: ("任务的进展和逐行结果", "How a job stands, and what became of its lines"),
    params: RESULTS,
    answer: &[
        ("job_id", "string"),
        ("status", "string"),
        ("total", "integer"),
        ("sent", "integer"),
        ("failed", "integer"),
        ("unknown", "integer"),
        ("results", "array"),
        ("next", "string"),
    ],
    own: Some(Own {
        run: |service, call| async move { service.job(call).await }.boxed(),
        takes: Takes::Query,
        gives: None,
    }),
    ..BASE
};

pub(super) const STOP: Operation = Operation {
    name: "jobs/{job_id}/stop",
    summary: ("停止任务：没发的不再发", "Stops a job: what isn't sent isn't any more"),
    answer: &[
        ("job_id", "string"),
        ("status", "string"),
        ("total", "integer"),
        ("sent", "integer"),
        ("failed", "integer"),
        ("unknown", "integer"),
    ],
    own: Some(Own {
        run: |service, call| async move { service.stop_job(call).await }.boxed(),
        takes: Takes::Query,
        gives: None,
    }),
    ..BASE
};
