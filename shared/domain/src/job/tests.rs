use super::*;

#[test]
fn a_final_status_only_changes_to_deleted() {
    for to in JobStatus::ALL {
        for from in to.may_follow() {
            assert!(!from.is_final() || *to == JobStatus::Deleted, "{from} -> {to}");
        }
    }
}

#[test]
fn every_status_can_be_reached_from_created() {
    let mut reached = vec![JobStatus::Created];
    for _ in JobStatus::ALL {
        for to in JobStatus::ALL {
            if to.may_follow().iter().any(|from| reached.contains(from)) && !reached.contains(to) {
                reached.push(*to);
            }
        }
    }
    assert_eq!(reached.len(), JobStatus::ALL.len());
}

#[test]
fn names_round_trip() {
    for status in JobStatus::ALL {
        assert_eq!(status.as_str().parse::<JobStatus>().unwrap(), *status);
        assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
    }
    assert!("done".parse::<JobStatus>().unwrap_err().to_string().contains("chunking_in_progress"));
}

#[test]
fn ids_are_written_in_lower_case() {
    let id: JobId = "7F3A2C1E-5B7D-4E0A-9C55-0A1B2C3D4E5F".parse().unwrap();
    assert_eq!(id.to_string(), "7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f");
    assert!("7f3a".parse::<JobId>().unwrap_err().to_string().contains("UUID"));
}
