use super::super::advance::Completion;
use super::super::turn::Turn;
use super::super::wait::Wait;
use crate::measurement::GatePoint;
use crate::plan::StrategyKind;
use crate::reason::Reason;

impl Turn<'_> {
    /// After the last step: everything is asked for and seen, then the new version is stable.
    pub(in super::super) fn complete_plan(&mut self) -> Completion {
        if self.state.stable.is_none() {
            return self.complete_first();
        }
        match self.plan.strategy {
            StrategyKind::BlueGreen => self.complete_switch()?,
            StrategyKind::Canary | StrategyKind::RollingUpdate => {
                self.complete_weight(self.plan.total)?;
            }
        }
        self.pass_gate(GatePoint::BeforePromotion, 0)
    }

    /// The first version needs nothing but its pods.
    fn complete_first(&self) -> Completion {
        let Err(wait) = self.pods_are_available(self.replicas()) else {
            return Ok(());
        };
        match wait.reason {
            Reason::ScaledToZero => Ok(()),
            Reason::Pods {
                available,
                wanted,
                trouble: None,
            } => Err(Wait::new(Reason::FirstVersion { available, wanted })),
            _ => Err(wait),
        }
    }
}
