use super::*;

fn counts(attempts: u64) -> Counts {
    Counts { attempts, throttled: 1, failed: 0 }
}

#[test]
fn rates_and_prices_follow_the_counts() {
    let mut spending = Spending::default();
    let at = Duration::from_secs;
    let first = spending.observe(vec![("SQS.GetQueueAttributes".into(), counts(10))], at(0));
    assert_eq!(first, [("sqs.GetQueueAttributes".to_owned(), counts(10))]);
    let all = vec![("sqs.GetQueueAttributes".into(), counts(490)), ("cloudwatch logs.StartQuery".into(), counts(5))];
    let new = spending.observe(all, at(600));
    let names: Vec<(&str, u64)> = new.iter().map(|(api, counts)| (api.as_str(), counts.attempts)).collect();
    assert_eq!(names, [("sqs.GetQueueAttributes", 480), ("cloudwatch-logs.StartQuery", 5)]);
    spending.scanned(1_000_000_000, at(600));
    let view = spending.view(Some(300), at(600));
    assert_eq!((view.calls[1].per_minute, view.calls[1].attempts), (48.0, 490));
    // 48 a minute are 2.1 million a month; a gigabyte in ten minutes are 4,380 a month.
    assert!((view.calls[1].usd_per_month - 0.84).abs() < 0.01, "{view:?}");
    assert!((view.usd_per_month - 0.84 - 21.9).abs() < 0.01, "{view:?}");
    assert_eq!((view.calls_per_minute, view.budget_per_minute), (48.5, Some(300)));
}

#[test]
fn a_page_of_rows_is_paid_by_its_size() {
    assert_eq!((units_of_rows(0), units_of_rows(1_000)), (0.5, 49.0));
    assert_eq!((units_of_completions(0), units_of_completions(100)), (1.0, 5.0));
}
