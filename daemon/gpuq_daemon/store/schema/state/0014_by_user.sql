-- Who asks for all of a user's jobs finds those that ended by `jobs_ended_user`: one index less to write for a new job.
DROP INDEX jobs_of_user;
