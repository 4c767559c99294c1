"""The bucket of docker-compose.yml for archives, with versions, so that an object which is overwritten can be brought back."""

import os

import boto3
from botocore.exceptions import ClientError


def main() -> None:
    """Make it unless it is there. The credentials are those of the environment."""
    client = boto3.client("s3", endpoint_url=os.environ["S3_ENDPOINT"], region_name="us-east-1")
    bucket = os.environ["S3_BUCKET"]
    try:
        client.head_bucket(Bucket=bucket)
    except ClientError:
        client.create_bucket(Bucket=bucket)
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


if __name__ == "__main__":
    main()
