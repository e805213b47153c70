"""The part of the web-ui that submits jobs: creates the job's row, uploads the source, prints the job id."""

import time
import uuid

import worker

parser = worker.parser(__doc__)
parser.add_argument("--mode", default="sbs")
parser.add_argument("--title", default="a film")
parser.add_argument("source")
given = parser.parse_args()
deployment, jobs, log = worker.open_deployment(given, "web-ui")
job_id = str(uuid.uuid4())
row = {
    "job_id": {"S": job_id},
    "mode": {"S": given.mode},
    "status": {"S": "created"},
    "created_at": {"N": str(int(time.time()))},
    "title": {"S": given.title},
}
deployment.dynamodb.put_item(TableName=jobs.jobs, Item=row)
deployment.s3.upload_file(given.source, deployment["INPUT_BUCKET_NAME"], f"input/{job_id}/source.mp4")
log.info("job_id=%s created mode=%s", job_id, given.mode)
print(job_id)
