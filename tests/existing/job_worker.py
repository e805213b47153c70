"""The job-worker of topology A: the only writer of completions, late statuses and the reassembly trigger."""

import worker
from outputs import Outputs

parser = worker.parser(__doc__)
parser.add_argument("--drops", type=int, metavar="INDEX", help="loses the first notification about the segment of this number")
given = parser.parse_args()
deployment, jobs, log = worker.open_deployment(given, "job-worker")
worker.serve(deployment, log, {"JOB_STATUS_EVENTS_QUEUE_URL": Outputs(deployment, jobs, log, "job-status-events", given.drops).handle})
