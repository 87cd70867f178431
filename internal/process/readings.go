package process

import (
	"context"
	"errors"

	"oktalk/internal/evaluation"
	"oktalk/internal/postgres"
	"oktalk/internal/telemetry"
)

// Names of metrics that tell how the stores are.
const (
	outboxRows   = "oktalk_outbox_rows"
	outboxOldest = "oktalk_outbox_oldest_seconds"
	outboxDead   = "oktalk_outbox_dead_rows"

	stageLag       = "oktalk_stage_lag"
	stageLowLag    = "oktalk_stage_low_lag"
	stagePending   = "oktalk_stage_pending"
	stageDelayed   = "oktalk_stage_delayed"
	stageDead      = "oktalk_stage_dead_letters"
	stageConsumers = "oktalk_stage_consumers"
	stagePaused    = "oktalk_stage_paused"
)

// ExportStores adds metrics of the outbox and of the stages' streams. They are the same in every process, so one kind exports them.
func (p *Process) ExportStores() {
	rows := postgres.NewOutbox(p.DB)
	telemetry.RegisterReadings(p.Registry, map[string]string{
		outboxRows:   "Rows of the outbox that wait to be sent.",
		outboxOldest: "Age of the oldest row of the outbox.",
		outboxDead:   "Row versions of the outbox that vacuum has not removed, as PostgreSQL estimates; they make claims slow.",
	}, map[string]string{
		stageLag:       "Entries that no worker has been given yet, in both lanes.",
		stageLowLag:    "Those of the low lane.",
		stagePending:   "Entries that a worker has and has not settled.",
		stageDelayed:   "Entries that wait until they are due.",
		stageDead:      "Dead letters.",
		stageConsumers: "Workers that hold their lease.",
		stagePaused:    "1 while the stage is paused.",
	}, func(ctx context.Context) ([]telemetry.Reading, error) {
		var list []telemetry.Reading
		out, err := rows.Stats(ctx)
		if err == nil {
			list = append(list, telemetry.Reading{Name: outboxRows, Value: float64(out.Rows)},
				telemetry.Reading{Name: outboxOldest, Value: out.Oldest.Seconds()}, telemetry.Reading{Name: outboxDead, Value: float64(out.DeadRows)})
		}
		for _, s := range evaluation.Stages() {
			stage, stageErr := p.readStage(ctx, s.Name)
			list, err = append(list, stage...), errors.Join(err, stageErr)
		}
		return list, err
	}, p.Log)
}

func (p *Process) readStage(ctx context.Context, name evaluation.StageName) ([]telemetry.Reading, error) {
	st, err := p.Producer.Stats(ctx, name)
	if err != nil {
		return nil, err
	}
	paused := int64(0)
	if st.Paused {
		paused = 1
	}
	var list []telemetry.Reading
	for metric, v := range map[string]int64{
		stageLag: st.Lag, stageLowLag: st.Low, stagePending: st.Pending, stageDelayed: st.Delayed, stageDead: st.Dead,
		stageConsumers: st.Consumers, stagePaused: paused,
	} {
		list = append(list, telemetry.Reading{Name: metric, Stage: string(name), Value: float64(v)})
	}
	return list, nil
}
