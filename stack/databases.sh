# Makes a database each for MLflow, its users and the studies, when the volume is new. Sourced by the image of PostgreSQL.
psql --quiet -v ON_ERROR_STOP=1 -U postgres -v mlflow="$MLFLOW_PASSWORD" -v studies="$STUDIES_PASSWORD" <<'SQL'
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow';
CREATE ROLE optuna LOGIN PASSWORD :'studies';
CREATE DATABASE mlflow OWNER mlflow;
CREATE DATABASE users OWNER mlflow;
CREATE DATABASE optuna OWNER optuna;
REVOKE CONNECT ON DATABASE mlflow, users, optuna FROM PUBLIC;
SQL
