-- What the suite adds to a database to see what happens in it, whoever does it. A note of a transaction that is rolled back is gone with it.

CREATE TABLE notes (at timestamptz NOT NULL DEFAULT clock_timestamp(), what text NOT NULL, id text NOT NULL, detail text NOT NULL);

CREATE FUNCTION note_artifact() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF OLD.state = 'pending' AND NEW.state <> 'pending' THEN
		INSERT INTO notes (what, id, detail) VALUES ('settled', NEW.evaluation_id, NEW.kind);
		IF EXISTS (SELECT FROM evaluations WHERE id = NEW.evaluation_id AND deleted_at IS NOT NULL) THEN
			INSERT INTO notes (what, id, detail) VALUES ('written after delete', NEW.evaluation_id, NEW.kind);
		END IF;
	ELSIF OLD.state <> NEW.state OR (NEW.text, NEW.object_key) NOT IN (('', ''), (OLD.text, OLD.object_key)) THEN
		INSERT INTO notes (what, id, detail) VALUES ('settled again', NEW.evaluation_id, NEW.kind || ' ' || OLD.state || ' ' || NEW.state);
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER note BEFORE UPDATE ON artifacts FOR EACH ROW EXECUTE FUNCTION note_artifact();

CREATE FUNCTION note_evaluation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.version NOT IN (OLD.version, OLD.version + 1) THEN
		INSERT INTO notes (what, id, detail) VALUES ('version', NEW.id, OLD.version || ' ' || NEW.version);
	END IF;
	IF OLD.status IN ('completed', 'failed') AND NEW.status <> OLD.status THEN
		INSERT INTO notes (what, id, detail) VALUES ('status', NEW.id, OLD.status || ' ' || NEW.status);
	END IF;
	IF OLD.deleted_at IS NOT NULL THEN
		INSERT INTO notes (what, id, detail) VALUES ('written after delete', NEW.id, 'evaluation');
	END IF;
	IF OLD.status <> 'completed' AND NEW.status = 'completed' THEN
		INSERT INTO notes (what, id, detail) VALUES ('completed', NEW.id, '');
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER note BEFORE UPDATE ON evaluations FOR EACH ROW EXECUTE FUNCTION note_evaluation();

CREATE FUNCTION note_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.run < OLD.run OR NEW.run > OLD.run + 1 THEN
		INSERT INTO notes (what, id, detail) VALUES ('run', NEW.id, OLD.run || ' ' || NEW.run);
	END IF;
	IF OLD.state <> 'open' AND (NEW.state <> OLD.state OR NEW.run <> OLD.run) THEN
		INSERT INTO notes (what, id, detail) VALUES ('job changed after its end', NEW.id, OLD.state || ' ' || NEW.state);
	END IF;
	IF OLD.state = 'open' AND NEW.state IN ('done', 'dead') THEN
		INSERT INTO notes (what, id, detail) VALUES ('job ended', NEW.id, NEW.run::text);
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER note BEFORE UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION note_job();
